import type { LimitFunction } from 'p-limit';

/** Runs the work at once or not at all. @throws what `busy` makes, when as much runs already as may */
export function atOnce<T>(limit: LimitFunction, busy: () => Error, work: () => Promise<T>): Promise<T> {
  if (isFull(limit)) throw busy();
  return limit(work);
}

/** Including what has its turn but has not begun, which p-limit counts as waiting. */
export const isFull = (limit: LimitFunction): boolean => limit.activeCount + limit.pendingCount >= limit.concurrency;
