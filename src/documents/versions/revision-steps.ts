import { Injectable } from '@nestjs/common';
import type { JobLease } from '../../jobs/job-handler.js';
import type { TenantTx } from '../../persistence/transactions.js';
import { ChunksRepository, type IdentifiedChunk } from '../chunks.repository.js';
import { DocumentCharges } from '../document-charges.js';
import type { DocumentEntity, DocumentRevision, ProcessingError } from '../document.entity.js';
import { DocumentsRepository, type DocumentPatch } from '../documents.repository.js';
import { PurgeHandler } from '../purge.handler.js';
import { DocumentContentsRepository } from './document-contents.repository.js';
import { completed, failed, isBeingMade, revisionOf } from './transitions.js';

/** The steps of the work on a version, each within a transaction of its job's. */
@Injectable()
export class RevisionSteps {
  constructor(
    private readonly documents: DocumentsRepository,
    private readonly contents: DocumentContentsRepository,
    private readonly chunks: ChunksRepository,
    private readonly charges: DocumentCharges,
    private readonly purge: PurgeHandler,
  ) {}

  /** The document under its lock. */
  find(tx: TenantTx, documentId: string): Promise<DocumentEntity | null> {
    return this.documents.lock(tx, documentId);
  }

  /** The document under its lock, as long as this job is at work on it; null once it was deleted, or is another job's. */
  async hold(tx: TenantTx, lease: Pick<JobLease, 'id' | 'documentId'>): Promise<DocumentEntity | null> {
    const document = await this.documents.lock(tx, lease.documentId);
    return document && document.jobId === lease.id && isBeingMade(document) ? document : null;
  }

  async start(tx: TenantTx, document: DocumentEntity): Promise<void> {
    await this.documents.update(tx, document.id, { state: 'INGESTING', processingError: null });
  }

  /** Holds room for so many points, instead of what was held before. @throws QuotaExceeded */
  reserve(tx: TenantTx, document: DocumentEntity, points: number): Promise<void> {
    return this.change(tx, document, { reservedPoints: points });
  }

  /** Everything that readers see changes here; what they saw until now is removed later. @throws QuotaExceeded */
  async complete(tx: TenantTx, document: DocumentEntity, revision: DocumentRevision, chunks: readonly IdentifiedChunk[]): Promise<void> {
    const patch = completed(document, revision, chunks.length);
    await this.documents.update(tx, document.id, patch);
    await this.chunks.replace(tx, document.id, revision.version, chunks);
    await this.contents.keepOnly(tx, document.id, [revision.contentChecksum]);
    if (document.next) await this.purge.schedule(tx, document, leftBy(revisionOf({ ...document, next: null }), revision.blobKey));
    await this.charges.settle(tx, document, { ...document, ...patch });
  }

  /** Nothing comes of the version: what is served stays, and a document that was never whole has failed. */
  async fail(tx: TenantTx, document: DocumentEntity, error: ProcessingError): Promise<void> {
    const patch = failed(document, error);
    const revision = revisionOf(document);
    await this.documents.update(tx, document.id, patch);
    await this.contents.keepOnly(tx, document.id, document.next ? [document.contentChecksum] : []);
    await this.purge.schedule(tx, document, leftBy(revision, document.blobKey));
    if (!document.next) await this.purge.scheduleExpiry(tx, document, revision.version);
    await this.charges.settle(tx, document, { ...document, ...patch });
  }

  private async change(tx: TenantTx, document: DocumentEntity, patch: DocumentPatch): Promise<void> {
    await this.documents.update(tx, document.id, patch);
    await this.charges.settle(tx, document, { ...document, ...patch });
  }
}

/** Of a version that ended, unless its file is the one that is kept. */
function leftBy({ version, blobKey }: DocumentRevision, keptBlobKey: string): { version: number; blobKey?: string } {
  return blobKey === keptBlobKey ? { version } : { version, blobKey };
}
