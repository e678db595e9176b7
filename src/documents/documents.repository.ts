import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import { DocumentEntity, type DocumentCharge, type DocumentState, type ProcessingError } from './document.entity.js';
import type { DocumentType } from './ingestion/media-type.js';

export interface DocumentWithCollection {
  document: DocumentEntity;
  collectionName: string;
}

export interface DocumentFilter {
  state?: DocumentState;
  type?: DocumentType;
  databaseId?: string;
  /** Part of title or name, in any case. */
  query?: string;
  /** Only in these; null is all of the tenant's. */
  databaseIds: readonly string[] | null;
}

export type NewDocument = Pick<
  DocumentEntity,
  'id' | 'userId' | 'databaseId' | 'title' | 'name' | 'type' | 'mediaType' | 'chunkSize' | 'chunkOverlap' | 'chunkingStrategy' | 'sizeBytes' | 'contentChecksum' | 'blobKey' | 'metadata' | 'jobId'
>;

interface ListPage {
  limit: number;
  before: string | null;
  id?: string;
}

const CHARGE = 'is_charged, size_bytes, chunk_count, reserved_points';

interface ChargeRow {
  is_charged: boolean;
  size_bytes: string;
  chunk_count: number;
  reserved_points: number;
}

function chargeOf([row]: readonly ChargeRow[]): DocumentCharge | null {
  return row ? { isCharged: row.is_charged, sizeBytes: Number(row.size_bytes), chunkCount: row.chunk_count, reservedPoints: row.reserved_points } : null;
}

/** Asked for row by row and not joined, so that how rare a database is never decides in which order documents are read. */
const COLLECTION_NAME = `(SELECT db.collection_name FROM databases db WHERE db.tenant_id = document.tenant_id AND db.id = document.database_id)`;

function conditionsOf(filter: DocumentFilter, page: ListPage): string[] {
  return [
    filter.state ? 'state = :state' : `state <> 'DELETED'`,
    ...(page.id === undefined ? [] : ['id = :id']),
    ...(page.before === null ? [] : ['id < :before']),
    ...(filter.type ? ['type = :type'] : []),
    ...(filter.databaseId === undefined ? [] : ['database_id = :databaseId']),
    ...(filter.databaseIds && !isMerged(filter, page) ? ['database_id = ANY (:databaseIds)'] : []),
    ...(filter.query === undefined ? [] : [`position(lower(:query) in lower(title || ' ' || name)) > 0`]),
  ];
}

/** Whether the list is of all databases that a key is bound to. */
const isMerged = ({ databaseIds, databaseId }: DocumentFilter, page: ListPage): boolean =>
  databaseIds !== null && databaseIds.length > 0 && databaseId === undefined && page.id === undefined;

/**
 * The newest of each database, of which the newest of all are taken: of `database_id = ANY` PostgreSQL would sort whatever is in the
 * databases, for every page. Each is a statement of its own, because of a mere join it could not tell a large database from a small one.
 */
const newestOfEach = (databaseIds: readonly string[], conditions: readonly string[]): string =>
  databaseIds
    .map((_, at) => `(SELECT id FROM documents WHERE tenant_id = :tenantId AND database_id = :database${at} AND ${conditions.join(' AND ')} ORDER BY id DESC LIMIT :limit)`)
    .join(' UNION ALL ');

@Injectable()
export class DocumentsRepository {
  async insert(tx: TenantTx, document: NewDocument): Promise<void> {
    await tx.manager.insert(DocumentEntity, { ...document, tenantId: tx.tenantId, state: 'PENDING' });
  }

  findById(tx: TenantTx, id: string): Promise<DocumentEntity | null> {
    return tx.manager.findOne(DocumentEntity, { where: { tenantId: tx.tenantId, id } });
  }

  async findVisible(tx: TenantTx, id: string, databaseIds: readonly string[] | null): Promise<DocumentWithCollection | null> {
    const [found] = await this.listNewestFirst(tx, { databaseIds }, { limit: 1, before: null, id });
    return found ?? null;
  }

  async findByContent(tx: TenantTx, databaseId: string, checksum: string): Promise<{ id: string } | null> {
    const rows = await tx.manager.query<{ id: string }[]>(
      `SELECT id FROM documents WHERE tenant_id = $1 AND database_id = $2 AND content_checksum = $3 AND state NOT IN ('DELETED', 'FAILED')`,
      [tx.tenantId, databaseId, checksum],
    );
    return rows[0] ?? null;
  }

  async listNewestFirst(tx: TenantTx, filter: DocumentFilter, page: ListPage): Promise<DocumentWithCollection[]> {
    const conditions = conditionsOf(filter, page);
    const query = tx.manager
      .createQueryBuilder(DocumentEntity, 'document')
      .addSelect(COLLECTION_NAME, 'collection_name')
      .where('document.tenant_id = :tenantId', { tenantId: tx.tenantId, ...filter, ...page })
      .orderBy('document.id', 'DESC')
      .limit(page.limit);
    if (filter.databaseIds && isMerged(filter, page)) {
      const named = Object.fromEntries(filter.databaseIds.map((databaseId, at) => [`database${at}`, databaseId]));
      query.andWhere(`document.id = ANY (ARRAY(${newestOfEach(filter.databaseIds, conditions)}))`, named);
    } else query.andWhere(conditions.join(' AND '));
    const { entities, raw } = await query.getRawAndEntities<{ collection_name: string }>();
    return entities.map((document, row) => ({ document, collectionName: raw[row]!.collection_name }));
  }

  /** Takes the document from every reader at once; what it left elsewhere is removed later. Null when that has been done. */
  markDeleted(tx: TenantTx, id: string): Promise<DocumentCharge | null> {
    return this.changeCharged(tx, id, `state = 'DELETED', reserved_points = 0`, [], `state <> 'DELETED'`);
  }

  async markExpired(tx: TenantTx, id: string): Promise<void> {
    await tx.manager.query(`UPDATE documents SET state = 'DELETED', updated_at = now() WHERE tenant_id = $1 AND id = $2 AND state = 'FAILED'`, [tx.tenantId, id]);
  }

  /** Begins or begins again, unless the document was deleted or belongs to another job by now. */
  async startIngesting(tx: TenantTx, id: string, jobId: string): Promise<boolean> {
    return (await this.whileIngesting(tx, id, jobId, `state = 'INGESTING', processing_error = NULL`, [], `('PENDING', 'INGESTING')`)) !== null;
  }

  reservePoints(tx: TenantTx, id: string, jobId: string, points: number): Promise<DocumentCharge | null> {
    return this.whileIngesting(tx, id, jobId, 'reserved_points = $4', [points]);
  }

  completeIngesting(tx: TenantTx, id: string, jobId: string, result: { chunkCount: number; title: string }): Promise<DocumentCharge | null> {
    return this.whileIngesting(tx, id, jobId, `state = 'INGESTED', reserved_points = 0, chunk_count = $4, title = $5, processed_at = now()`, [result.chunkCount, result.title]);
  }

  failIngesting(tx: TenantTx, id: string, jobId: string, error: ProcessingError): Promise<DocumentCharge | null> {
    const set = `state = 'FAILED', processing_error = $4, is_charged = false, reserved_points = 0, processed_at = now()`;
    return this.whileIngesting(tx, id, jobId, set, [JSON.stringify(error)], `('PENDING', 'INGESTING')`);
  }

  /** What it was charged to the last, for the one caller that removed it. */
  async remove(tx: TenantTx, id: string): Promise<DocumentCharge | null> {
    const [rows] = await tx.manager.query<[ChargeRow[], number]>(`DELETE FROM documents WHERE tenant_id = $1 AND id = $2 AND state = 'DELETED' RETURNING ${CHARGE}`, [tx.tenantId, id]);
    return chargeOf(rows);
  }

  private whileIngesting(tx: TenantTx, id: string, jobId: string, set: string, values: unknown[], states = `('INGESTING')`): Promise<DocumentCharge | null> {
    return this.changeCharged(tx, id, set, [jobId, ...values], `job_id = $3 AND state IN ${states}`);
  }

  /** Answers what the document was charged before the change, read under the lock: the counters are changed by the difference. */
  private async changeCharged(tx: TenantTx, id: string, set: string, values: unknown[], condition: string): Promise<DocumentCharge | null> {
    const [rows] = await tx.manager.query<[ChargeRow[], number]>(
      `WITH before AS (SELECT ${CHARGE} FROM documents WHERE tenant_id = $1 AND id = $2 AND ${condition} FOR NO KEY UPDATE)
       UPDATE documents SET ${set}, updated_at = now() FROM before WHERE tenant_id = $1 AND id = $2 RETURNING before.*`,
      [tx.tenantId, id, ...values],
    );
    return chargeOf(rows);
  }
}
