import { Injectable } from '@nestjs/common';
import { Transactions } from '../persistence/transactions.js';
import { InstallationTotalsRepository } from './installation-totals.repository.js';

export interface Totals {
  tenants: number;
  users: number;
  documents: number;
  storageBytes: number;
  vectorPoints: number;
  databases: number;
  apiKeys: number;
}

/** How much there is of everything, over all tenants. */
@Injectable()
export class InstallationTotals {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: InstallationTotalsRepository,
  ) {}

  read(): Promise<Totals> {
    return this.transactions.forSystem(async (tx) => {
      const counted = await this.repository.count(tx);
      const { documents = 0, storage_mb = 0, vector_points = 0, databases = 0, api_keys = 0 } = await this.repository.sumCounters(tx);
      return { ...counted, documents, storageBytes: storage_mb, vectorPoints: vector_points, databases, apiKeys: api_keys };
    });
  }
}
