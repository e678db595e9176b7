import { Injectable } from '@nestjs/common';
import type { DatabaseEntity } from '../../databases/database.entity.js';
import { DatabasesService } from '../../databases/databases.service.js';
import type { JobError } from '../../jobs/job.entity.js';
import type { JobLease } from '../../jobs/job-handler.js';
import { JobOutdated, LeaseLost } from '../../jobs/jobs.errors.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import type { IdentifiedChunk } from '../chunks.repository.js';
import type { DocumentEntity, DocumentRevision } from '../document.entity.js';
import { DocumentRevisions, sameFile } from '../versions/document-revisions.js';
import { RevisionSteps } from '../versions/revision-steps.js';
import { revisionOf } from '../versions/transitions.js';

export interface IngestionSubject {
  documentId: string;
  /** What is being made. */
  revision: DocumentRevision;
  database: DatabaseEntity;
}

/** The short transactions of an ingestion. Each is refused once the document was deleted or the job taken away. */
@Injectable()
export class IngestionsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesService,
    private readonly jobs: JobsService,
    private readonly steps: RevisionSteps,
    private readonly revisions: DocumentRevisions,
  ) {}

  start(lease: JobLease): Promise<IngestionSubject> {
    return this.transactions.forTenant(lease.tenantId, async (tx) => {
      const document = await this.steps.hold(tx, lease);
      const database = document && (await this.databases.findById(tx, document.databaseId));
      if (!document || !database) throw new LeaseLost();
      this.databases.requireModel(database);
      await this.steps.start(tx, document);
      return { documentId: document.id, revision: revisionOf(document), database };
    });
  }

  /** Holds room for the vectors before they are made, instead of what an earlier attempt held. @throws LeaseLost, QuotaExceeded */
  reserve(lease: JobLease, { revision }: IngestionSubject, points: number): Promise<void> {
    return this.transactions.forTenant(lease.tenantId, async (tx) => {
      await this.jobs.hold(tx, lease);
      await this.steps.reserve(tx, await this.hold(tx, lease, revision), points);
    });
  }

  /** Everything a reader will see changes in this one transaction. @throws LeaseLost, QuotaExceeded, CollectionReplaced */
  complete(lease: JobLease, { documentId, revision, database }: IngestionSubject, chunks: readonly IdentifiedChunk[]): Promise<void> {
    return this.transactions.forTenant(lease.tenantId, async (tx) => {
      const result = { document_id: documentId, version: revision.version, chunks: chunks.length };
      await this.jobs.finish(tx, lease, `${chunks.length} chunks ingested`, result);
      const document = await this.hold(tx, lease, revision);
      await this.databases.requireGeneration(tx, database);
      await this.steps.complete(tx, document, revision, chunks);
    });
  }

  /** An attempt that is made again later begins without a reservation: nobody knows when that will be. */
  async letGo(tx: TenantTx, lease: JobLease): Promise<void> {
    const document = await this.steps.hold(tx, lease);
    if (document) await this.steps.reserve(tx, document, 0);
  }

  /**
   * A failed document waits once more, as a new version and charged anew. Of one that is served, the version that failed is not there any more.
   * @throws JobOutdated, DuplicateDocument, QuotaExceeded
   */
  async retry(tx: TenantTx, lease: JobLease): Promise<void> {
    const document = await this.steps.find(tx, lease.documentId);
    if (document?.state !== 'FAILED' || document.jobId !== lease.id) throw new JobOutdated();
    await this.revisions.begin(tx, document.id, lease.id, (current) => sameFile(current, {}));
  }

  async giveUp(tx: TenantTx, lease: JobLease, error: JobError, stage: string): Promise<void> {
    const document = await this.steps.hold(tx, lease);
    if (document) await this.steps.fail(tx, document, { code: error.code, message: error.message, stage });
  }

  /** While the document is worked on, its last version is the one being made. */
  private async hold(tx: TenantTx, lease: JobLease, { version }: DocumentRevision): Promise<DocumentEntity> {
    const document = await this.steps.hold(tx, lease);
    if (!document || document.lastVersion !== version) throw new LeaseLost();
    return document;
  }
}
