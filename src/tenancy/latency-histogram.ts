/** Upper bound of the first bucket, in milliseconds. Each further bound is √2 times the one before. */
const FIRST_BOUND_MS = 0.5;
/** The last one is 65.5 s. */
const BOUNDS = 35;

/** One more than there are bounds: the last bucket holds whatever took longer. */
export const LATENCY_BUCKETS = BOUNDS + 1;

const boundMs = (bucket: number): number => FIRST_BOUND_MS * 2 ** (bucket / 2);

/** The bucket, 0 to 35, that a duration in milliseconds falls into. */
export function latencyBucket(durationMs: number): number {
  if (!(durationMs > FIRST_BOUND_MS)) return 0;
  return Math.min(Math.ceil(2 * Math.log2(durationMs / FIRST_BOUND_MS)), BOUNDS);
}

/**
 * The `quantile`, 0 to 1, of the durations that were counted, by nearest rank and geometric interpolation in its bucket; null when there are none.
 *
 * The answer lies in the same bucket as the true value, so between 0.5 ms and 65.5 s it is wrong by a factor below √2, however the
 * durations are distributed. Shorter ones are wrong by less than 0.5 ms; longer ones are told as 65.5 s.
 */
export function quantileMs(counts: readonly number[], quantile: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = Math.max(1, Math.ceil(quantile * total));
  let below = 0;
  const bucket = counts.findIndex((count) => (below += count) >= rank);
  const inBucket = counts[bucket]!;
  // Ranks stand in the middle of their share, so that a single one is told as the middle of its bucket.
  return within(bucket, (rank - (below - inBucket) - 0.5) / inBucket);
}

function within(bucket: number, share: number): number {
  if (bucket === 0) return FIRST_BOUND_MS * share;
  return bucket < BOUNDS ? boundMs(bucket - 1 + share) : boundMs(BOUNDS - 1);
}
