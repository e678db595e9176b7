import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import type { TaskHandler } from './job-handler.js';
import { QueueEntriesRepository } from './queue-entries.repository.js';

const ENTRIES_PER_TRANSACTION = 500;
const BETWEEN_LOOKS_MS = 250;

/** Takes the work of a tenant that is being removed out of the queue. */
@Injectable()
export class JobsRemoval {
  constructor(
    private readonly transactions: Transactions,
    private readonly entries: QueueEntriesRepository,
  ) {}

  /** Waiting and ended work, without what somebody works on. */
  async removeIdle(tenantId: string): Promise<void> {
    let removed = ENTRIES_PER_TRANSACTION;
    while (removed === ENTRIES_PER_TRANSACTION) removed = await this.transactions.forSystem((tx) => this.entries.removeIdle(tx, tenantId, ENTRIES_PER_TRANSACTION));
  }

  /**
   * Resolves once no worker is at any work of the tenant but `own`; that of a worker that died is over when its silence was noticed.
   * @returns false when that takes longer than `forMs`
   */
  async workHasEnded(tenantId: string, own: TaskHandler, forMs: number, signal: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + forMs;
    while (await this.transactions.forSystem((tx) => this.entries.someoneWorks(tx, tenantId, { except: own.name }))) {
      if (performance.now() > deadline) return false;
      await delay(BETWEEN_LOOKS_MS, undefined, { signal });
    }
    return true;
  }

  /** All of it, also what the caller itself is at: whoever ends it then finds nothing to end. */
  removeAll(tx: SystemTx, tenantId: string): Promise<void> {
    return this.entries.removeAll(tx, tenantId);
  }
}
