import { setTimeout as delay } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';

/** Batches of passages on their way to one endpoint at a time. */
const AT_ONCE = 4;

/**
 * Lets so many jobs of a process ask an endpoint at once, and none while it has asked to be left alone. Questions take no turn: somebody waits for them,
 * and they are short.
 */
export class EndpointTurns {
  private readonly limit: LimitFunction;
  private pausedUntil = 0;

  constructor(atOnce = AT_ONCE) {
    this.limit = pLimit(atOnce);
  }

  /** @throws the signal's reason when that is aborted, also while it waits */
  take<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const turn = this.limit(async () => {
      signal?.throwIfAborted();
      const pauseMs = this.pausedUntil - Date.now();
      if (pauseMs > 0) await delay(pauseMs, undefined, { signal });
      return work();
    });
    return signal ? unlessAborted(turn, signal) : turn;
  }

  pause(seconds: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, Date.now() + seconds * 1000);
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
