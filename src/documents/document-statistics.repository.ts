import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import type { DocumentState } from './document.entity.js';
import type { DocumentType } from './ingestion/media-type.js';

/** Of the documents of one database, state and type. */
export interface DocumentSums {
  databaseId: string;
  state: DocumentState;
  type: DocumentType;
  documents: number;
  sizeBytes: number;
  chunks: number;
}

@Injectable()
export class DocumentStatisticsRepository {
  /** Reads every row of the tenant, or of the databases that are named. */
  async sum(tx: TenantTx, databaseIds: readonly string[] | null): Promise<DocumentSums[]> {
    const rows = await tx.manager.query<(Omit<DocumentSums, 'sizeBytes'> & { sizeBytes: string })[]>(
      `SELECT database_id AS "databaseId", state, type, count(*)::int AS documents, sum(size_bytes)::bigint AS "sizeBytes", sum(chunk_count)::int AS chunks
         FROM documents WHERE tenant_id = $1 AND state <> 'DELETED' AND ($2::uuid[] IS NULL OR database_id = ANY ($2)) GROUP BY database_id, state, type`,
      [tx.tenantId, databaseIds],
    );
    return rows.map((row) => ({ ...row, sizeBytes: Number(row.sizeBytes) }));
  }
}
