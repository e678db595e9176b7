import { Injectable } from '@nestjs/common';
import { VectorStore } from '../databases/vector-stores/vector-store.js';
import { BlobStore } from '../documents/storage/blob-store.js';
import { Transactions } from '../persistence/transactions.js';
import { UserAdministration } from '../users/user-administration.service.js';

/** What a tenant has outside the database. */
@Injectable()
export class TenantStores {
  constructor(
    private readonly transactions: Transactions,
    private readonly people: UserAdministration,
    private readonly vectors: VectorStore,
    private readonly blobs: BlobStore,
  ) {}

  /** Finds the collections by their names and not by the rows of databases, which are gone before. */
  async clear(tenantId: string): Promise<void> {
    const people = await this.transactions.forSystem((tx) => this.people.findOfTenant(tx, tenantId));
    for (const { id } of people) await this.dropCollections(`user_${id}_`);
    await this.blobs.removeDirectory(tenantId);
  }

  /** Until there is none: one may have come back while the others were dropped. */
  private async dropCollections(prefix: string): Promise<void> {
    while ((await this.vectors.dropCollections(prefix)) > 0);
  }
}
