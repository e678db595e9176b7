import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../../persistence/transactions.js';

/** A version of a document whose points are missing in the collection that is made. */
export interface VersionToReindex {
  documentId: string;
  version: number;
}

/** What readers see or can be shown again: a version that is served, also beside the one that will follow it, and what is deprecated. */
const HAS_POINTS = `(d.state IN ('INGESTED', 'DEPRECATED') OR (d.state IN ('PENDING', 'INGESTING') AND d.next IS NOT NULL))`;
const IS_MISSING = `NOT EXISTS (SELECT FROM reindexed_documents r WHERE r.tenant_id = d.tenant_id AND r.reindex_id = $3 AND r.document_id = d.id AND r.version = d.version)`;

@Injectable()
export class ReindexingRepository {
  async count(tx: TenantTx, databaseId: string): Promise<number> {
    const [row] = await tx.manager.query<{ count: number }[]>(`SELECT count(*)::int AS count FROM documents d WHERE d.tenant_id = $1 AND d.database_id = $2 AND ${HAS_POINTS}`, [tx.tenantId, databaseId]);
    return row!.count;
  }

  /** Newest first, since those are asked for most; what comes after `before` in that order. */
  listMissing(tx: TenantTx, databaseId: string, reindexId: string, before: string | null, limit: number): Promise<VersionToReindex[]> {
    return tx.manager.query<VersionToReindex[]>(
      `SELECT d.id AS "documentId", d.version FROM documents d
        WHERE d.tenant_id = $1 AND d.database_id = $2 AND ${HAS_POINTS} AND ${IS_MISSING} AND ($4::uuid IS NULL OR d.id < $4) ORDER BY d.id DESC LIMIT $5`,
      [tx.tenantId, databaseId, reindexId, before, limit],
    );
  }

  async countDone(tx: TenantTx, reindexId: string): Promise<number> {
    const [row] = await tx.manager.query<{ count: number }[]>('SELECT count(*)::int AS count FROM reindexed_documents WHERE tenant_id = $1 AND reindex_id = $2', [tx.tenantId, reindexId]);
    return row!.count;
  }

  async markDone(tx: TenantTx, reindexId: string, { documentId, version }: VersionToReindex): Promise<void> {
    await tx.manager.query(
      `INSERT INTO reindexed_documents (tenant_id, reindex_id, document_id, version) VALUES ($1, $2, $3, $4)
       ON CONFLICT (tenant_id, reindex_id, document_id) DO UPDATE SET version = EXCLUDED.version`,
      [tx.tenantId, reindexId, documentId, version],
    );
  }
}
