import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { UsageRepository, type UsageRow } from './usage.repository.js';

const FLUSH_INTERVAL_MS = 1000;
const NO_KEY = '00000000-0000-0000-0000-000000000000';
const HOUR_MS = 3_600_000;

/** One answered request. */
export interface Call {
  route: string;
  status: number;
  durationMs: number;
  bytesIn: number;
  bytesOut: number;
}

/** How often a key was used since the last flush, and when last. */
export interface KeyUse {
  tenantId: string;
  apiKeyId: string;
  requests: number;
  lastUsedAt: Date;
}

type KeyUseListener = (tx: SystemTx, uses: readonly KeyUse[]) => Promise<void>;

/** Counts requests in memory and writes the sums every second and at shutdown: no request waits for a write. */
@Injectable()
export class UsageService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(UsageService.name);
  private rows = new Map<string, UsageRow>();
  private keys = new Map<string, KeyUse>();
  private keyUseListener: KeyUseListener | undefined;
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly transactions: Transactions,
    private readonly usage: UsageRepository,
  ) {}

  /** Whoever keeps the keys writes their counters in the transaction of the sums, so that both always agree. */
  onKeyUse(listener: KeyUseListener): void {
    this.keyUseListener = listener;
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.flush(), FLUSH_INTERVAL_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  count(principal: Pick<Principal, 'tenantId' | 'apiKeyId'>, call: Call, now = new Date()): void {
    const hour = new Date(Math.floor(now.getTime() / HOUR_MS) * HOUR_MS).toISOString();
    const fields = { tenantId: principal.tenantId, hour, apiKeyId: principal.apiKeyId ?? NO_KEY, route: call.route, statusClass: Math.floor(call.status / 100) };
    const key = Object.values(fields).join(' ');
    const row = this.rows.get(key) ?? { ...fields, requests: 0, durationMs: 0, bytesIn: 0, bytesOut: 0 };
    row.requests += 1;
    row.durationMs += call.durationMs;
    row.bytesIn += call.bytesIn;
    row.bytesOut += call.bytesOut;
    this.rows.set(key, row);
    if (principal.apiKeyId !== null) this.countKey(principal.tenantId, principal.apiKeyId, now);
  }

  /** Writes what was counted until now; one at a time, in order. */
  flush(): Promise<void> {
    this.flushing = this.flushing.then(() => this.write());
    return this.flushing;
  }

  private countKey(tenantId: string, apiKeyId: string, now: Date): void {
    const use = this.keys.get(apiKeyId) ?? { tenantId, apiKeyId, requests: 0, lastUsedAt: now };
    use.requests += 1;
    use.lastUsedAt = now;
    this.keys.set(apiKeyId, use);
  }

  private async write(): Promise<void> {
    if (this.rows.size === 0) return;
    const [rows, keys] = [this.rows, this.keys];
    this.rows = new Map();
    this.keys = new Map();
    try {
      await this.transactions.forSystem(async (tx) => {
        await this.usage.add(tx, [...rows.values()]);
        await this.keyUseListener?.(tx, [...keys.values()]);
      });
    } catch (error) {
      this.logger.warn({ err: error }, 'usage could not be written and is kept for the next time');
      this.keep(rows, keys);
    }
  }

  private keep(rows: Map<string, UsageRow>, keys: Map<string, KeyUse>): void {
    for (const [key, row] of rows) {
      const newer = this.rows.get(key);
      if (!newer) this.rows.set(key, row);
      else for (const sum of ['requests', 'durationMs', 'bytesIn', 'bytesOut'] as const) newer[sum] += row[sum];
    }
    for (const [key, use] of keys) {
      const newer = this.keys.get(key);
      if (newer) newer.requests += use.requests;
      else this.keys.set(key, use);
    }
  }
}
