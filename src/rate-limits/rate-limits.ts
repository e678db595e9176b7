import { judge, type Cells, type WindowVerdict } from './sliding-window.js';

export const WINDOW_MS = 3_600_000;

export interface Limit {
  /** Who is counted. */
  subject: string;
  perHour: number;
}

export type Verdict = WindowVerdict & Limit;

/** Under which name the calls of a key, and of those it was rotated from, are counted. */
export const keySubject = (lineageId: string): string => `key:${lineageId}`;

/** Under which name a tenant's calls are counted. */
export const tenantSubject = (tenantId: string): string => `tenant:${tenantId}`;

/** Counts calls in hourly sliding windows; its own injection token. */
export abstract class RateLimits {
  /** Whether all processes count together, so that each of them knows all calls of the last hour. */
  abstract readonly isShared: boolean;

  /**
   * Counts one call of the tenant against all limits, or, when one of them is reached, against none.
   * @param limits of this tenant only
   * @returns verdicts in the order of the limits; none at all when the counts are out of reach, and then the call passes
   */
  abstract consume(tenantId: string, limits: readonly Limit[]): Verdict[] | Promise<Verdict[]>;

  /** Whole calls in the last hour; null when the counts are out of reach. */
  abstract used(tenantId: string, subject: string): number | Promise<number | null>;

  /** Answers when the counts are within reach, and rejects when they are not. */
  abstract ping(): Promise<void>;
}

/**
 * The verdicts on one call that counts against all limits or against none.
 * @param windows of each limit, in the same order, advanced to `nowMs` and without this call
 */
export function judgeTogether(limits: readonly Limit[], windows: readonly Cells[], nowMs: number): Verdict[] {
  const verdicts = limits.map((limit, at) => ({ ...limit, ...judge(windows[at]!, nowMs, WINDOW_MS, limit.perHour) }));
  if (verdicts.every(({ allowed }) => allowed)) for (const verdict of verdicts) verdict.remaining -= 1;
  return verdicts;
}
