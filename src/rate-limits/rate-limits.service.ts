import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { advance, EMPTY, judge, usedIn, type Cells, type WindowVerdict } from './sliding-window.js';

const WINDOW_MS = 3_600_000;
/** About 20 MB when full. What is forgotten first was called longest ago, so it is least likely near a limit. */
const MOST_SUBJECTS = 100_000;

export interface Limit {
  /** Who is counted, such as `key:…`. */
  subject: string;
  perHour: number;
}

/** Under which name a tenant's calls are counted. */
export const tenantSubject = (tenantId: string): string => `tenant:${tenantId}`;

export type Verdict = WindowVerdict & Limit;

/** Hourly sliding windows in the memory of this process. */
@Injectable()
export class RateLimits {
  private readonly windows = new LRUCache<string, Cells>({ max: MOST_SUBJECTS });

  /** Counts one call against all limits, or, when one of them is reached, against none. Verdicts are in the order of the limits. */
  consume(limits: readonly Limit[], nowMs = Date.now()): Verdict[] {
    const verdicts = limits.map((limit) => ({ ...limit, ...judge(this.cellsOf(limit.subject, nowMs), nowMs, WINDOW_MS, limit.perHour) }));
    if (verdicts.some((verdict) => !verdict.allowed)) return verdicts;
    for (const verdict of verdicts) {
      const cells = this.cellsOf(verdict.subject, nowMs);
      this.windows.set(verdict.subject, { ...cells, current: cells.current + 1 });
      verdict.remaining = Math.max(0, verdict.remaining - 1);
    }
    return verdicts;
  }

  /** Whole calls in the last hour. */
  used(subject: string, nowMs = Date.now()): number {
    return usedIn(this.cellsOf(subject, nowMs), nowMs, WINDOW_MS);
  }

  private cellsOf(subject: string, nowMs: number): Cells {
    return advance(this.windows.get(subject) ?? EMPTY, nowMs, WINDOW_MS);
  }
}
