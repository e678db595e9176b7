import { Injectable } from '@nestjs/common';
import { Transactions } from '../persistence/transactions.js';
import { ReconciliationsRepository } from './reconciliations.repository.js';
import type { ReconciliationKind, StoredReconciliation } from './stored-reconciliation.js';

/** What the last runs of the reconcilers found, whichever process they ran in. */
@Injectable()
export class Reconciliations {
  private readonly listeners: (() => void)[] = [];

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ReconciliationsRepository,
  ) {}

  async record(kind: ReconciliationKind, durationMs: number, result: object): Promise<void> {
    await this.transactions.forSystem(async (tx) => {
      await this.repository.insert(tx, kind, durationMs, result);
      await this.repository.removeOld(tx);
    });
    for (const listener of this.listeners) listener();
  }

  /** Called after each run of this process; what other processes did is found in the table. */
  onRecorded(listener: () => void): void {
    this.listeners.push(listener);
  }

  latest(kind: ReconciliationKind): Promise<StoredReconciliation | null> {
    return this.transactions.forSystem((tx) => this.repository.findLatest(tx, kind));
  }
}
