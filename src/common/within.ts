/** What was waited for did not come in time. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';
}

/** Rejects after so many milliseconds; what was begun is not stopped by that, only no longer waited for. */
export function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    // What arrived while this process was busy is read before that, so its own slowness is not held against the other side.
    const timer = setTimeout(() => setImmediate(() => reject(new TimedOut(`no answer within ${ms} ms`))), ms);
    void work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
