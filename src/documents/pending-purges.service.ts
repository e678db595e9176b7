import { Injectable } from '@nestjs/common';
import { Transactions } from '../persistence/transactions.js';
import { PendingPurgesRepository } from './pending-purges.repository.js';
import type { Purges } from './purges.js';

/** What is deleted for its tenant and not yet removed. */
@Injectable()
export class PendingPurges {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: PendingPurgesRepository,
  ) {}

  read(): Promise<Purges> {
    return this.transactions.forSystem((tx) => this.repository.read(tx));
  }
}
