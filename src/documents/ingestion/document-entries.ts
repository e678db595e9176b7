import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '../../common/principal.js';
import { DatabaseNotFound } from '../../databases/databases.errors.js';
import { DatabasesService, type DatabaseReference } from '../../databases/databases.service.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { violates } from '../../persistence/postgres-errors.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import { DocumentCharges } from '../document-charges.js';
import { DuplicateDocument } from '../documents.errors.js';
import { DocumentsRepository, type NewDocument } from '../documents.repository.js';
import { IngestHandler } from './ingest.handler.js';

export type DocumentFields = Omit<NewDocument, 'databaseId' | 'jobId' | 'userId'>;

/** Enters a stored file as a document with its job and its charge, all in one transaction. */
@Injectable()
export class DocumentEntries {
  constructor(
    private readonly transactions: Transactions,
    private readonly documents: DocumentsRepository,
    private readonly databases: DatabasesService,
    private readonly jobs: JobsService,
    private readonly charges: DocumentCharges,
    private readonly handler: IngestHandler,
  ) {}

  /**
   * @returns the job's id
   * @throws DatabaseNotFound, DuplicateDocument, QuotaExceeded; nothing is entered
   */
  async enter(principal: Principal, reference: DatabaseReference, fields: DocumentFields): Promise<string> {
    try {
      return await this.transactions.forTenant(principal.tenantId, (tx) => this.insert(tx, principal, reference, fields));
    } catch (error) {
      // The database was deleted while the file arrived.
      if (violates(error, 'documents_database')) throw new DatabaseNotFound();
      throw violates(error, 'documents_content') ? await this.duplicateOf(principal, reference, fields.contentChecksum) : error;
    }
  }

  /** Refuses early what could not be entered later; a lower limit or a larger use meanwhile is found when it is. @throws QuotaExceeded */
  requireRoom(principal: Principal, sizeBytes: number): Promise<void> {
    return this.transactions.forTenant(principal.tenantId, (tx) => this.charges.requireRoom(tx, sizeBytes));
  }

  private async insert(tx: TenantTx, principal: Principal, reference: DatabaseReference, fields: DocumentFields): Promise<string> {
    const database = await this.databases.resolve(tx, principal, reference);
    const jobId = uuidv7();
    await this.documents.insert(tx, { ...fields, userId: principal.userId, databaseId: database.id, jobId });
    await this.jobs.enqueue(tx, this.handler, { id: jobId, userId: principal.userId, documentId: fields.id });
    await this.charges.take(tx, fields.sizeBytes);
    return jobId;
  }

  /** In a transaction of its own, because the violated index ended the one that met it. */
  private async duplicateOf(principal: Principal, reference: DatabaseReference, checksum: string): Promise<DuplicateDocument> {
    const twin = await this.transactions.forTenant(principal.tenantId, async (tx) => {
      const database = await this.databases.resolve(tx, principal, reference);
      return this.documents.findByContent(tx, database.id, checksum);
    });
    return new DuplicateDocument(twin?.id ?? null);
  }
}
