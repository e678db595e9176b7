import { Injectable } from '@nestjs/common';
import { Equal, In, Not, type FindOperator } from 'typeorm';
import type { TenantTx } from '../persistence/transactions.js';
import { DocumentEntity, type DocumentState } from './document.entity.js';
import { DocumentNotFound } from './documents.errors.js';

export interface DocumentWithCollection {
  document: DocumentEntity;
  collectionName: string;
}

export type NewDocument = Pick<
  DocumentEntity,
  'id' | 'userId' | 'databaseId' | 'title' | 'name' | 'type' | 'mediaType' | 'chunkSize' | 'chunkOverlap' | 'chunkingStrategy' | 'sizeBytes' | 'contentChecksum' | 'blobKey' | 'sourceUrl' | 'metadata' | 'jobId'
>;

/** What changes of a row; `now` is the database's. */
export type DocumentPatch = Partial<Omit<DocumentEntity, 'tenantId' | 'id' | 'processedAt' | 'createdAt' | 'updatedAt'>> & { processedAt?: 'now' | null };

/** Asked for row by row and not joined, so that how rare a database is never decides in which order documents are read. */
export const COLLECTION_NAME = `(SELECT db.collection_name FROM databases db WHERE db.tenant_id = document.tenant_id AND db.id = document.database_id)`;

@Injectable()
export class DocumentsRepository {
  async insert(tx: TenantTx, document: NewDocument): Promise<void> {
    await tx.manager.insert(DocumentEntity, { ...document, tenantId: tx.tenantId, state: 'PENDING' });
  }

  findById(tx: TenantTx, id: string): Promise<DocumentEntity | null> {
    return tx.manager.findOne(DocumentEntity, { where: { tenantId: tx.tenantId, id } });
  }

  /** Unless it is deleted, or of another database than those that are named. @throws DocumentNotFound */
  async requireVisible(tx: TenantTx, id: string, databaseIds: readonly string[] | null): Promise<DocumentWithCollection> {
    const query = tx.manager
      .createQueryBuilder(DocumentEntity, 'document')
      .addSelect(COLLECTION_NAME, 'collection_name')
      .where(`document.tenant_id = :tenantId AND document.id = :id AND document.state <> 'DELETED'`, { tenantId: tx.tenantId, id });
    if (databaseIds) query.andWhere('document.database_id = ANY (:databaseIds)', { databaseIds });
    const { entities, raw } = await query.getRawAndEntities<{ collection_name: string }>();
    if (!entities[0]) throw new DocumentNotFound();
    return { document: entities[0], collectionName: raw[0]!.collection_name };
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
