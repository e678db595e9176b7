import { Injectable } from '@nestjs/common';
import type { DatabaseEntity } from '../../databases/database.entity.js';
import { DatabasesService } from '../../databases/databases.service.js';
import type { JobError } from '../../jobs/job.entity.js';
import type { JobLease } from '../../jobs/job-handler.js';
import { JobOutdated, LeaseLost } from '../../jobs/jobs.errors.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { violates } from '../../persistence/postgres-errors.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import { DocumentCharges } from '../document-charges.js';
import { ChunksRepository, type IdentifiedChunk } from '../chunks.repository.js';
import type { DocumentEntity } from '../document.entity.js';
import { DuplicateDocument } from '../documents.errors.js';
import { DocumentsRepository } from '../documents.repository.js';

export interface IngestionSubject {
  document: DocumentEntity;
  database: DatabaseEntity;
}

/** The short transactions of an ingestion. Each is refused once the document was deleted or the job taken away. */
@Injectable()
export class IngestionsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly documents: DocumentsRepository,
    private readonly chunks: ChunksRepository,
    private readonly databases: DatabasesService,
    private readonly jobs: JobsService,
    private readonly charges: DocumentCharges,
  ) {}

  start(lease: JobLease): Promise<IngestionSubject> {
    return this.transactions.forTenant(lease.tenantId, async (tx) => {
      if (!(await this.documents.startIngesting(tx, lease.documentId, lease.id))) throw new LeaseLost();
      const document = await this.documents.findById(tx, lease.documentId);
      const database = document && (await this.databases.findById(tx, document.databaseId));
      if (!document || !database) throw new LeaseLost();
      this.databases.requireModel(database);
      return { document, database };
    });
  }

  /** Holds room for the vectors before they are made, instead of what an earlier attempt held. @throws LeaseLost, QuotaExceeded */
  reserve(lease: JobLease, points: number): Promise<void> {
    return this.transactions.forTenant(lease.tenantId, async (tx) => {
      await this.jobs.hold(tx, lease);
      const before = await this.documents.reservePoints(tx, lease.documentId, lease.id, points);
      if (!before) throw new LeaseLost();
      await this.charges.reservePoints(tx, before, points);
    });
  }

  /** Everything a reader will see changes in this one transaction. @throws LeaseLost, QuotaExceeded */
  complete(lease: JobLease, document: DocumentEntity, title: string, chunks: readonly IdentifiedChunk[]): Promise<void> {
    return this.transactions.forTenant(lease.tenantId, async (tx) => {
      const result = { document_id: document.id, version: document.version, chunks: chunks.length };
      await this.jobs.finish(tx, lease, `${chunks.length} chunks ingested`, result);
      const before = await this.documents.completeIngesting(tx, document.id, lease.id, { chunkCount: chunks.length, title });
      if (!before) throw new LeaseLost();
      await this.chunks.replace(tx, document.id, document.version, chunks);
      await this.charges.settlePoints(tx, before, chunks.length);
    });
  }

  /** For the collection of a database that may have been deleted while it was written to. */
  async dropUnlessUsed(tenantId: string, collection: string): Promise<void> {
    await this.databases.dropUnlessUsed(tenantId, collection);
  }

  /** An attempt that is made again later begins without a reservation: nobody knows when that will be. */
  async letGo(tx: TenantTx, lease: JobLease): Promise<void> {
    const before = await this.documents.reservePoints(tx, lease.documentId, lease.id, 0);
    if (before) await this.charges.releasePoints(tx, before);
  }

  /** A failed document waits once more, charged anew. @throws JobOutdated, DuplicateDocument, QuotaExceeded */
  async retry(tx: TenantTx, lease: JobLease): Promise<void> {
    const document = await this.documents.findById(tx, lease.documentId);
    if (!document || !(await this.reopen(tx, document, lease.id))) throw new JobOutdated();
    await this.charges.take(tx, document.sizeBytes);
  }

  /** The same content may have been sent again meanwhile. */
  private async reopen(tx: TenantTx, document: DocumentEntity, jobId: string): Promise<boolean> {
    try {
      return await this.documents.reopen(tx, document.id, jobId);
    } catch (error) {
      if (!violates(error, 'documents_content')) throw error;
      const twin = await this.documents.findByContent(tx, document.databaseId, document.contentChecksum);
      throw new DuplicateDocument(twin?.id ?? null);
    }
  }

  /** A failed document keeps its row and file, and costs nothing. Answers its collection, for whoever clears that. */
  async giveUp(tx: TenantTx, lease: JobLease, error: JobError, stage: string): Promise<string | null> {
    const before = await this.documents.failIngesting(tx, lease.documentId, lease.id, { code: error.code, message: error.message, stage });
    if (!before) return null;
    const document = await this.documents.findById(tx, lease.documentId);
    const database = document && (await this.databases.findById(tx, document.databaseId));
    await this.charges.giveBack(tx, before);
    return database?.collectionName ?? null;
  }
}
