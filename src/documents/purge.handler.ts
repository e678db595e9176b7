import { Injectable } from '@nestjs/common';
import { VectorStore, type DocumentScope } from '../databases/vector-stores/vector-store.js';
import type { TaskHandler } from '../jobs/job-handler.js';
import { JobsService } from '../jobs/jobs.service.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { DocumentCharges } from './document-charges.js';
import type { DocumentEntity, DocumentState } from './document.entity.js';
import { DocumentsRepository } from './documents.repository.js';
import { BlobStore } from './storage/blob-store.js';

const FAILED_KEPT_SECONDS = 7 * 24 * 3600;

/** States in which a document has no use for vectors. */
const LEFT_FOR_GOOD: readonly DocumentState[] = ['DELETED', 'FAILED'];

/** Removes what a deleted or failed document left in the other stores, and repeats that until it is done. */
@Injectable()
export class PurgeHandler implements TaskHandler {
  readonly name = 'purge-document';

  constructor(
    private readonly transactions: Transactions,
    private readonly documents: DocumentsRepository,
    private readonly jobs: JobsService,
    private readonly charges: DocumentCharges,
    private readonly store: VectorStore,
    private readonly blobs: BlobStore,
  ) {}

  /**
   * Hides the document from every reader. What it had reserved goes back at once, what it used when the last of it is gone.
   * @returns false when that has been done
   */
  async begin(tx: TenantTx, documentId: string, collection: string): Promise<boolean> {
    const before = await this.documents.markDeleted(tx, documentId);
    if (!before) return false;
    await this.schedule(tx, documentId, collection);
    await this.charges.releasePoints(tx, before);
    return true;
  }

  async schedule(tx: TenantTx, documentId: string, collection: string): Promise<void> {
    await this.jobs.enqueueTask(tx, this, { documentId, collection });
  }

  /** A failed document keeps its row and file for a while, uncharged, unless somebody deletes it first. */
  async scheduleExpiry(tx: TenantTx, documentId: string, collection: string): Promise<void> {
    await this.jobs.enqueueTask(tx, this, { documentId, collection, expires: 'yes' }, FAILED_KEPT_SECONDS);
  }

  async run(data: Record<string, string>): Promise<void> {
    const { tenantId, documentId, collection, expires } = data as { tenantId: string; documentId: string; collection: string; expires?: string };
    if (expires !== undefined) await this.transactions.forTenant(tenantId, (tx) => this.documents.markExpired(tx, documentId));
    const document = await this.removeVectors({ tenantId, documentId }, collection);
    if (document?.state !== 'DELETED') return;
    await this.blobs.remove(document.blobKey);
    await this.transactions.forTenant(tenantId, (tx) => this.forget(tx, documentId));
  }

  /** Leaves the vectors of a document alone that is being, or was meanwhile, ingested after all. */
  async removeVectors(scope: DocumentScope, collection: string): Promise<DocumentEntity | null> {
    const document = await this.transactions.forTenant(scope.tenantId, (tx) => this.documents.findById(tx, scope.documentId));
    if (!document || LEFT_FOR_GOOD.includes(document.state)) await this.store.deleteDocument(collection, scope);
    return document;
  }

  /** The last trace: the row, its chunks and what it was charged, once. */
  private async forget(tx: TenantTx, documentId: string): Promise<void> {
    const charge = await this.documents.remove(tx, documentId);
    if (charge) await this.charges.giveBack(tx, charge);
  }
}
