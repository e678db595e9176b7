import { quantileMs } from './latency-histogram.js';

/** Sums over calls. */
export interface UsageSums {
  requests: number;
  /** Those that were answered with 400 or more. */
  failures: number;
  durationMs: number;
  bytesIn: number;
  bytesOut: number;
  /** Requests by `latencyBucket`; fewer than `requests` where they were counted before there were histograms. */
  latency: number[];
}

export const NO_CALLS: UsageSums = { requests: 0, failures: 0, durationMs: 0, bytesIn: 0, bytesOut: 0, latency: [] };

export function addSums(all: readonly UsageSums[]): UsageSums {
  const total = { ...NO_CALLS, latency: [] as number[] };
  for (const sums of all) {
    for (const name of ['requests', 'failures', 'durationMs', 'bytesIn', 'bytesOut'] as const) total[name] += sums[name];
    sums.latency.forEach((count, bucket) => (total.latency[bucket] = (total.latency[bucket] ?? 0) + count));
  }
  return total;
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;

/** In milliseconds to the microsecond; null when there were no calls. */
export const meanMs = ({ requests, durationMs }: UsageSums): number | null => (requests === 0 ? null : rounded(durationMs / requests));

/** In milliseconds, within a factor of √2 (see `quantileMs`); null when no duration was counted. */
export function p95Ms({ latency }: UsageSums): number | null {
  const p95 = quantileMs(latency, 0.95);
  return p95 === null ? null : rounded(p95);
}
