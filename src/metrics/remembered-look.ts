import { setImmediate } from 'node:timers/promises';
import type { Logger } from '@nestjs/common';
import { oneAtATime } from '../common/one-at-a-time.js';
import { within } from '../common/within.js';

/** Whoever scrapes more often sees the same. */
const REMEMBERED_MS = 5000;
/** The other numbers do not wait longer for this one. */
const PATIENCE_MS = 1000;

/**
 * Numbers that have to be looked up, for metrics that must not fail together: what could not be read in time is empty, since nothing says
 * less than 0, which would say that all is well.
 */
export class RememberedLook<T extends object> {
  private known: T | undefined;
  private knownUntilMs = 0;
  /** Undefined when it is not known. However many numbers are made of it, it is looked up, and complained of, once. */
  readonly read: () => Promise<T | undefined>;

  constructor(
    private readonly what: string,
    private readonly logger: Logger,
    look: () => Promise<T>,
    private readonly patienceMs = PATIENCE_MS,
  ) {
    // What hangs is not asked again before it answers.
    const asked = oneAtATime(look);
    this.read = oneAtATime(async () => {
      if (performance.now() < this.knownUntilMs) return this.known;
      // Once the numbers that are at hand have been read: those of the pool should not count the connection that this takes.
      await setImmediate();
      return this.refresh(asked);
    });
  }

  /** Something changed: the next one looks. */
  forget(): void {
    this.knownUntilMs = 0;
  }

  private async refresh(look: () => Promise<T>): Promise<T | undefined> {
    try {
      this.known = await within(this.patienceMs, look());
      this.knownUntilMs = performance.now() + REMEMBERED_MS;
    } catch (error) {
      this.logger.warn({ err: error }, `${this.what} could not be read`);
      this.known = undefined;
    }
    return this.known;
  }
}
