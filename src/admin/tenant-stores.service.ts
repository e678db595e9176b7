import { Injectable } from '@nestjs/common';
import { TenantCollections } from '../databases/collections/tenant-collections.service.js';
import { BlobStore } from '../documents/storage/blob-store.js';
import { Transactions } from '../persistence/transactions.js';
import { UserAdministration } from '../users/user-administration.service.js';

/** What a tenant has outside the database. */
@Injectable()
export class TenantStores {
  constructor(
    private readonly transactions: Transactions,
    private readonly people: UserAdministration,
    private readonly collections: TenantCollections,
    private readonly blobs: BlobStore,
  ) {}

  /** Finds the collections by their names and not by the rows of databases, which are gone before. */
  async clear(tenantId: string): Promise<void> {
    const people = await this.transactions.forSystem((tx) => this.people.findOfTenant(tx, tenantId));
    await this.collections.drop(tenantId, people.map(({ id }) => `user_${id}_`));
    await this.blobs.removeDirectory(tenantId);
  }
}
