import { Injectable } from '@nestjs/common';
import type { DatabasePlace } from '../databases/collections/collections.service.js';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';
import { remoteTextKey, textKey } from './versions/blob-keys.js';

/** Where a walk over all rows in the order of their keys is. */
export interface RowKey {
  tenantId: string;
  id: string;
}

export type BlobOwner = RowKey & { blobKeys: string[] };

export type CollectionToCount = RowKey & DatabasePlace;

/** What a database's rows say about its collection. */
export interface ExpectedVectors {
  points: number;
  /** Documents whose vectors may be coming or going at this moment. */
  unsettled: number;
}

/** Before all others. */
const FIRST: RowKey = { tenantId: '00000000-0000-0000-0000-000000000000', id: '00000000-0000-0000-0000-000000000000' };

@Injectable()
export class StoreReconciliationRepository {
  /** The files that these documents may have, deleted ones included, whose files may not be removed yet. */
  async findBlobKeys(tx: TenantTx, documentIds: readonly string[]): Promise<string[]> {
    const rows = await tx.manager.query<{ id: string; originals: string[]; versions: number[] }[]>(
      `SELECT id, array_remove(ARRAY[blob_key, next ->> 'blobKey'], NULL) AS originals, array_remove(ARRAY[version, (next ->> 'version')::int], NULL) AS versions
         FROM documents WHERE tenant_id = $1 AND id = ANY ($2)`,
      [tx.tenantId, documentIds],
    );
    return rows.flatMap(({ id, originals, versions }) => [...originals, ...originals.map(remoteTextKey), ...versions.map((version) => textKey(tx.tenantId, id, version))]);
  }

  /** Documents and the originals that they need, in the order of their keys. */
  async listBlobOwners(tx: SystemTx, after: RowKey | null, limit: number): Promise<BlobOwner[]> {
    const { tenantId, id } = after ?? FIRST;
    return tx.manager.query<BlobOwner[]>(
      `SELECT tenant_id AS "tenantId", id, array_remove(ARRAY[blob_key, next ->> 'blobKey'], NULL) AS "blobKeys"
         FROM documents WHERE (tenant_id, id) > ($1, $2) AND state <> 'DELETED' ORDER BY tenant_id, id LIMIT $3`,
      [tenantId, id, limit],
    );
  }

  async stillNeedsBlob(tx: TenantTx, { id }: RowKey, blobKey: string): Promise<boolean> {
    const rows = await tx.manager.query<unknown[]>(
      `SELECT FROM documents WHERE tenant_id = $1 AND id = $2 AND $3 IN (blob_key, next ->> 'blobKey') AND state <> 'DELETED'`,
      [tx.tenantId, id, blobKey],
    );
    return rows.length === 1;
  }

  async listCollections(tx: SystemTx, after: RowKey | null, limit: number): Promise<CollectionToCount[]> {
    const { tenantId, id } = after ?? FIRST;
    return tx.manager.query<CollectionToCount[]>(
      `SELECT tenant_id AS "tenantId", id, server_id AS "serverId", server_type AS "serverType", collection_name AS "collectionName", generation, dimensions, distance
         FROM databases WHERE (tenant_id, id) > ($1, $2) AND deleted_at IS NULL ORDER BY tenant_id, id LIMIT $3`,
      [tenantId, id, limit],
    );
  }

  /** Null when the database is gone. */
  async expectVectors(tx: TenantTx, databaseId: string): Promise<ExpectedVectors | null> {
    const rows = await tx.manager.query<ExpectedVectors[]>(
      `SELECT COALESCE(sum(o.chunk_count) FILTER (WHERE o.state IN ('INGESTED', 'DEPRECATED')), 0)::int AS points,
              count(*) FILTER (WHERE o.state IN ('PENDING', 'INGESTING', 'DELETED') OR ((o.state = 'FAILED' OR o.last_version > 1) AND o.updated_at > now() - interval '1 hour'))::int AS unsettled
         FROM databases d LEFT JOIN documents o ON o.tenant_id = d.tenant_id AND o.database_id = d.id WHERE d.tenant_id = $1 AND d.id = $2 AND d.deleted_at IS NULL GROUP BY d.id`,
      [tx.tenantId, databaseId],
    );
    return rows[0] ?? null;
  }
}
