import type { JobLease } from './job-handler.js';

const LONGEST_BACKOFF_SECONDS = 300;
/** Something outside may put a job off for so long, all in all, before that counts as its failure. */
const LONGEST_DEFERRAL_SECONDS = 3600;
/** Spread over so much, those that were put off until one moment do not all come back in it. */
const DEFERRAL_SPREAD = 0.1;

export interface NextAttempt {
  delaySeconds: number;
  /** Whether the attempt that ended has used up one of those that the job has. */
  isCounted: boolean;
  /** Whether something outside asked for the delay. */
  isDeferred: boolean;
}

export interface AttemptEnd {
  isRetryable: boolean;
  /** The process stops, which is no fault of the job. */
  isStopping: boolean;
  /** Not before, says whoever was asked too much. */
  retryAfterSeconds: number | undefined;
}

/** Exponential with equal jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), in seconds: between half of 2, 4, 8 … 300 and all of it. */
export function backoffSeconds(failures: number, random: () => number = Math.random): number {
  const longest = Math.min(LONGEST_BACKOFF_SECONDS, 2 ** failures);
  return (longest * (1 + random())) / 2;
}

/**
 * When the job is tried again, or null when it has failed for good. An attempt that could do nothing, since the process stopped or something
 * outside said "later", is not counted; the latter at most for an hour altogether.
 */
export function nextAttempt(lease: Pick<JobLease, 'attempt' | 'maxAttempts' | 'deferredSeconds'>, attempts: number, end: AttemptEnd, random: () => number = Math.random): NextAttempt | null {
  if (end.isStopping) return { delaySeconds: 0, isCounted: false, isDeferred: false };
  if (!end.isRetryable) return null;
  if (end.retryAfterSeconds !== undefined) {
    if (lease.deferredSeconds + end.retryAfterSeconds > LONGEST_DEFERRAL_SECONDS) return null;
    return { delaySeconds: Math.max(1, end.retryAfterSeconds * (1 + DEFERRAL_SPREAD * random())), isCounted: false, isDeferred: true };
  }
  if (lease.attempt >= lease.maxAttempts) return null;
  return { delaySeconds: backoffSeconds(lease.attempt - (lease.maxAttempts - attempts), random), isCounted: true, isDeferred: false };
}
