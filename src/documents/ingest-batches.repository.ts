import { Injectable } from '@nestjs/common';
import type { JobError, JobStatus } from '../jobs/job.entity.js';
import type { TenantTx } from '../persistence/transactions.js';

export interface NewBatch {
  id: string;
  userId: string;
  databaseId: string;
  rejected: number;
  items: readonly { index: number; jobId: string }[];
}

export interface BatchItem {
  index: number;
  jobId: string;
  documentId: string;
  status: JobStatus;
  percentage: number;
  error: JobError | null;
}

export interface Batch {
  createdAt: Date;
  rejected: number;
  items: BatchItem[];
}

interface BatchRow {
  createdAt: Date;
  rejected: number;
  item: BatchItem | null;
}

@Injectable()
export class IngestBatchesRepository {
  async insert(tx: TenantTx, batch: NewBatch): Promise<void> {
    await tx.manager.query('INSERT INTO ingest_batches (tenant_id, id, user_id, database_id, rejected) VALUES ($1, $2, $3, $4, $5)', [tx.tenantId, batch.id, batch.userId, batch.databaseId, batch.rejected]);
    await tx.manager.query(
      `INSERT INTO ingest_batch_items (tenant_id, batch_id, item_index, job_id) SELECT $1, $2, item.index, item.job_id FROM unnest($3::smallint[], $4::uuid[]) AS item (index, job_id)`,
      [tx.tenantId, batch.id, batch.items.map(({ index }) => index), batch.items.map(({ jobId }) => jobId)],
    );
  }

  /** With its jobs as they are now, in the order of the request. Null when there is none, or it went into none of these databases. */
  async find(tx: TenantTx, id: string, databaseIds: readonly string[] | null): Promise<Batch | null> {
    const rows = await tx.manager.query<BatchRow[]>(
      `SELECT b.created_at AS "createdAt", b.rejected,
              CASE WHEN j.id IS NOT NULL THEN
                jsonb_build_object('index', i.item_index, 'jobId', j.id, 'documentId', j.document_id, 'status', j.status, 'percentage', j.percentage, 'error', j.error)
              END AS item
         FROM ingest_batches b
         LEFT JOIN ingest_batch_items i ON i.tenant_id = b.tenant_id AND i.batch_id = b.id
         LEFT JOIN jobs j ON j.tenant_id = i.tenant_id AND j.id = i.job_id
        WHERE b.tenant_id = $1 AND b.id = $2 AND ($3::uuid[] IS NULL OR b.database_id = ANY ($3))
        ORDER BY i.item_index`,
      [tx.tenantId, id, databaseIds],
    );
    const [first] = rows;
    return first ? { createdAt: first.createdAt, rejected: first.rejected, items: rows.flatMap(({ item }) => item ?? []) } : null;
  }
}
