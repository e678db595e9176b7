import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Counter } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';
import { LONGEST_MEMORY_MS, TenantChanges } from './tenant-changes.js';

interface Remembered<Value> {
  value: Value;
  tenantId: string;
  mark: number;
  readAt: number;
}

/** Some MB when full. */
const MOST_ENTRIES = 20_000;

/**
 * Remembers what was read of a tenant for at most five seconds, and never longer than it is true. A value that was read before a change
 * and arrives after it is recognised by its mark (a generation fence) and not remembered.
 */
export class FencedCache<Value extends object> {
  private readonly entries = new LRUCache<string, Remembered<Value>>({ max: MOST_ENTRIES });

  constructor(
    private readonly changes: TenantChanges,
    private readonly count: (outcome: 'hit' | 'miss') => void,
  ) {}

  /** Undefined when it has to be looked up. */
  get(key: string, nowMs = performance.now()): Value | undefined {
    const entry = this.entries.get(key);
    if (entry && nowMs - entry.readAt < LONGEST_MEMORY_MS && this.changes.holdsSince(entry.mark, entry.tenantId, nowMs)) {
      this.count('hit');
      return entry.value;
    }
    this.count('miss');
    return undefined;
  }

  /** Looks it up and remembers it, unless it changed meanwhile. A miss is not remembered: what does not exist has no tenant whose change would be heard. */
  async load(key: string, tenantOf: (value: Value) => string, read: () => Promise<Value | null>): Promise<Value | null> {
    const [mark, readAt] = [this.changes.mark(), performance.now()];
    const value = await read();
    if (value) this.entries.set(key, { value, tenantId: tenantOf(value), mark, readAt });
    else this.entries.delete(key);
    return value;
  }
}

/** Makes the caches of this process and counts how well they do. */
@Injectable()
export class FencedCaches {
  private readonly lookUps: Counter<'cache' | 'outcome'>;

  constructor(
    private readonly changes: TenantChanges,
    metrics: Metrics,
  ) {
    this.lookUps = metrics.counter('morag_cache_lookups_total', 'Credentials found in the memory of the process (hit) or looked up in the database (miss)', ['cache', 'outcome']);
  }

  create<Value extends object>(cache: string): FencedCache<Value> {
    const counters = { hit: this.lookUps.labels({ cache, outcome: 'hit' }), miss: this.lookUps.labels({ cache, outcome: 'miss' }) };
    return new FencedCache(this.changes, (outcome) => counters[outcome].inc());
  }
}
