const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** Seconds to wait after the first failure, the second and so on; the last one again and again until the day is over. */
const DELAYS = [5, 30, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR] as const;
/** Of the delay, to either side: what failed together must not come back together. */
const JITTER = 0.1;
/** An endpoint may ask for more patience than the schedule has, up to this. */
const LONGEST_RETRY_AFTER = 4 * HOUR;

/**
 * How long to wait before the next attempt, in seconds.
 * @param failures until now, this one included
 * @param retryAfter what the endpoint asked for, which is only ever a longer wait
 * @param random from 0 to 1
 */
export function delaySeconds(failures: number, retryAfter: number | undefined, random = Math.random()): number {
  const scheduled = DELAYS[Math.min(failures, DELAYS.length) - 1] ?? DELAYS[0];
  const jittered = scheduled * (1 - JITTER + 2 * JITTER * random);
  return Math.max(jittered, Math.min(retryAfter ?? 0, LONGEST_RETRY_AFTER));
}
