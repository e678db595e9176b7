import { LRUCache } from 'lru-cache';
import { judgeTogether, RateLimits, WINDOW_MS, type Limit, type Verdict } from './rate-limits.js';
import { advance, EMPTY, usedIn, type Cells } from './sliding-window.js';

/** About 20 MB when full. What is forgotten first was called longest ago, so it is least likely near a limit. */
const MOST_SUBJECTS = 100_000;

/** Windows in the memory of this process: exact for one process, and at once. */
export class MemoryRateLimits extends RateLimits {
  readonly isShared = false;
  private readonly windows = new LRUCache<string, Cells>({ max: MOST_SUBJECTS });

  consume(_tenantId: string, limits: readonly Limit[], nowMs = Date.now()): Verdict[] {
    const windows = limits.map(({ subject }) => this.windowOf(subject, nowMs));
    const verdicts = judgeTogether(limits, windows, nowMs);
    if (verdicts.every(({ allowed }) => allowed)) {
      for (const [at, { subject }] of limits.entries()) this.windows.set(subject, { ...windows[at]!, current: windows[at]!.current + 1 });
    }
    return verdicts;
  }

  used(_tenantId: string, subject: string, nowMs = Date.now()): number {
    return usedIn(this.windowOf(subject, nowMs), nowMs, WINDOW_MS);
  }

  ping(): Promise<void> {
    return Promise.resolve();
  }

  private windowOf(subject: string, nowMs: number): Cells {
    return advance(this.windows.get(subject) ?? EMPTY, nowMs, WINDOW_MS);
  }
}
