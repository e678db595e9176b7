import { Injectable } from '@nestjs/common';
import type { AnyTx } from '../persistence/transactions.js';
import type { StoredConfiguration } from './tenant-configuration.js';

/** What a tenant has set, and the collection of the database that it made its default one. */
export interface ConfigurationRow {
  stored: StoredConfiguration;
  defaultCollectionName: string | null;
}

interface NamedDatabase {
  id?: string;
  collectionName?: string;
}

@Injectable()
export class TenantConfigurationRepository {
  async find(tx: AnyTx, tenantId: string): Promise<ConfigurationRow | null> {
    const rows = await tx.manager.query<ConfigurationRow[]>(
      `SELECT t.configuration AS stored, d.collection_name AS "defaultCollectionName"
         FROM tenants t LEFT JOIN databases d ON d.tenant_id = t.id AND d.id = (t.configuration ->> 'defaultDatabaseId')::uuid AND d.deleted_at IS NULL WHERE t.id = $1`,
      [tenantId],
    );
    return rows[0] ?? null;
  }

  /** As it is and stays until the transaction ends: of two who change different fields at once, both do. */
  async lock(tx: AnyTx, tenantId: string): Promise<StoredConfiguration | null> {
    const rows = await tx.manager.query<{ stored: StoredConfiguration }[]>('SELECT configuration AS stored FROM tenants WHERE id = $1 FOR NO KEY UPDATE', [tenantId]);
    return rows[0]?.stored ?? null;
  }

  async update(tx: AnyTx, tenantId: string, stored: StoredConfiguration): Promise<void> {
    await tx.manager.query('UPDATE tenants SET configuration = $2, updated_at = now() WHERE id = $1', [tenantId, JSON.stringify(stored)]);
  }

  /** Kept from being deleted until the transaction ends; whoever deletes it afterwards finds it configured, and takes that back. */
  async findDatabase(tx: AnyTx, tenantId: string, { id, collectionName }: NamedDatabase): Promise<string | null> {
    const rows = await tx.manager.query<{ id: string }[]>(
      'SELECT id FROM databases WHERE tenant_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id = $2) AND ($3::text IS NULL OR collection_name = $3) FOR KEY SHARE',
      [tenantId, id ?? null, collectionName ?? null],
    );
    return rows[0]?.id ?? null;
  }
}
