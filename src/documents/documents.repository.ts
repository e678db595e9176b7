import { Injectable } from '@nestjs/common';
import { Equal, In, Not, type FindOperator } from 'typeorm';
import type { TenantTx } from '../persistence/transactions.js';
import { DocumentEntity, type DocumentState } from './document.entity.js';
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
  'id' | 'userId' | 'databaseId' | 'title' | 'name' | 'type' | 'mediaType' | 'chunkSize' | 'chunkOverlap' | 'chunkingStrategy' | 'sizeBytes' | 'contentChecksum' | 'blobKey' | 'sourceUrl' | 'metadata' | 'jobId'
>;

interface ListPage {
  limit: number;
  before: string | null;
  id?: string;
}

/** What changes of a row; `now` is the database's. */
export type DocumentPatch = Partial<Omit<DocumentEntity, 'tenantId' | 'id' | 'processedAt' | 'createdAt' | 'updatedAt'>> & { processedAt?: 'now' | null };

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

  /** The newest of this name, one that has not failed before one that has. */
  async findByName(tx: TenantTx, databaseId: string, name: string): Promise<DocumentEntity | null> {
    const newest = (state: FindOperator<DocumentState>) =>
      tx.manager.findOne(DocumentEntity, { where: { tenantId: tx.tenantId, databaseId, name, state }, order: { id: 'DESC' } });
    return (await newest(Not(In(['DELETED', 'FAILED'])))) ?? newest(Equal('FAILED'));
  }

  /** Until the transaction ends, whoever else asks for the name in this way waits: of two at once, the second finds what the first made. */
  async lockName(tx: TenantTx, databaseId: string, name: string): Promise<void> {
    await tx.manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`${tx.tenantId} ${databaseId} ${name}`]);
  }

  /** Whether there is any that can be replaced without taking one more from the quota. */
  async isAnyServed(tx: TenantTx): Promise<boolean> {
    return tx.manager.exists(DocumentEntity, { where: { tenantId: tx.tenantId, state: 'INGESTED' } });
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

  /** As it is now, and stays until the transaction ends unless that changes it. */
  lock(tx: TenantTx, id: string): Promise<DocumentEntity | null> {
    return tx.manager.findOne(DocumentEntity, { where: { tenantId: tx.tenantId, id }, lock: { mode: 'for_no_key_update' } });
  }

  /** Of a row that the transaction has locked. */
  async update(tx: TenantTx, id: string, { processedAt, ...patch }: DocumentPatch): Promise<void> {
    const times = { updatedAt: () => 'now()', ...(processedAt === undefined ? {} : { processedAt: processedAt === null ? null : () => 'now()' }) };
    await tx.manager.update(DocumentEntity, { tenantId: tx.tenantId, id }, { ...patch, ...times });
  }

  async remove(tx: TenantTx, id: string): Promise<void> {
    await tx.manager.delete(DocumentEntity, { tenantId: tx.tenantId, id });
  }
}
