import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { EmbeddingUsage } from '../embeddings/embedding-usage.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { UsageBatch, type Call, type Caller, type KeyUse } from './usage-batch.js';
import { UsageRepository } from './usage.repository.js';

const FLUSH_INTERVAL_MS = 1000;
/** A process that stops has to be gone some day, whether the database answers or not. */
const LAST_ATTEMPTS = 4;
const BETWEEN_LAST_ATTEMPTS_MS = 500;

type KeyUseListener = (tx: SystemTx, uses: readonly KeyUse[]) => Promise<void>;

/**
 * Counts requests and what is embedded in memory and writes the sums every second and at shutdown: no request waits for a write.
 *
 * A batch is written once. One whose writing failed stays as it is and is repeated under its number before anything newer is written:
 * when it was committed after all and only the answer got lost, the number says so.
 */
@Injectable()
export class UsageService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(UsageService.name);
  private readonly processId = randomUUID();
  private current = new UsageBatch(1);
  /** Cut off from what is counted, and not known to be written. */
  private unwritten: UsageBatch | undefined;
  private keyUseListener: KeyUseListener | undefined;
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> = Promise.resolve();
  private isWriting = false;

  constructor(
    private readonly transactions: Transactions,
    private readonly usage: UsageRepository,
    embeddings: EmbeddingUsage,
  ) {
    embeddings.onEmbedded((tenantId, amount) => this.current.countEmbedding(tenantId, amount, new Date()));
  }

  /** Whoever keeps the keys writes their counters in the transaction of the sums, so that both always agree. */
  onKeyUse(listener: KeyUseListener): void {
    this.keyUseListener = listener;
  }

  onApplicationBootstrap(): void {
    // While the database hangs, a flush each second would queue up behind the one that waits.
    this.timer = setInterval(() => this.isWriting || void this.flush(), FLUSH_INTERVAL_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
    for (let attempt = 2; this.unwritten && attempt <= LAST_ATTEMPTS; attempt++) {
      await delay(BETWEEN_LAST_ATTEMPTS_MS);
      await this.flush();
    }
    if (this.unwritten) this.logger.error('the usage of the last moments could not be written and is lost');
  }

  count(caller: Caller, call: Call, now = new Date()): void {
    this.current.count(caller, call, now);
  }

  /** The key was used, but not for a request of its own. */
  touch(caller: Caller, now = new Date()): void {
    this.current.touch(caller, now);
  }

  /** Writes what was counted until now; one at a time, in order. What cannot be written is kept for the next time. */
  flush(): Promise<void> {
    this.flushing = this.flushing.then(() => this.write());
    return this.flushing;
  }

  private async write(): Promise<void> {
    this.isWriting = true;
    try {
      await this.settle();
      if (this.current.isEmpty) return;
      this.unwritten = this.current;
      this.current = new UsageBatch(this.unwritten.sequence + 1);
      await this.settle();
    } catch (error) {
      this.logger.warn({ err: error }, 'usage could not be written and is kept for the next time');
    } finally {
      this.isWriting = false;
    }
  }

  private async settle(): Promise<void> {
    const batch = this.unwritten;
    if (!batch) return;
    await this.transactions.forSystem(async (tx) => {
      if (!(await this.usage.claimBatch(tx, this.processId, batch.sequence))) return;
      await this.usage.add(tx, batch.rows);
      await this.usage.addEmbeddings(tx, batch.embeddingRows);
      await this.keyUseListener?.(tx, batch.keyUses);
    });
    this.unwritten = undefined;
  }
}
