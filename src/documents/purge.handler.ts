import { Injectable } from '@nestjs/common';
import { DatabaseCollections } from '../databases/collections/database-collections.service.js';
import type { DocumentScope } from '../databases/vector-stores/vector-store.js';
import type { TaskHandler } from '../jobs/job-handler.js';
import { JobsService } from '../jobs/jobs.service.js';
import { backupRuns, PUT_OFF_SECONDS } from '../persistence/backup-lock.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { DocumentCharges } from './document-charges.js';
import type { DocumentEntity } from './document.entity.js';
import { DocumentsRepository } from './documents.repository.js';
import { BlobStore } from './storage/blob-store.js';
import { remoteTextKey, textKey } from './versions/blob-keys.js';
import { versionsInUse } from './versions/transitions.js';

const FAILED_KEPT_SECONDS = 7 * 24 * 3600;

type DocumentOfDatabase = Pick<DocumentEntity, 'id' | 'databaseId'>;

/** What work on a document left behind besides its vectors, whichever way it ended. */
export interface Leftovers {
  /** A version that is not served any more or never came. */
  version?: number;
  /** A file that the document has no use for any more. */
  blobKey?: string;
}

/** Removes what deleted documents and ended versions left in the other stores, and repeats that until it is done. While a backup is being made, all of it waits. */
@Injectable()
export class PurgeHandler implements TaskHandler {
  readonly name = 'purge-document';

  constructor(
    private readonly transactions: Transactions,
    private readonly documents: DocumentsRepository,
    private readonly jobs: JobsService,
    private readonly charges: DocumentCharges,
    private readonly collections: DatabaseCollections,
    private readonly blobs: BlobStore,
  ) {}

  /** In the transaction in which the document was deleted, or the version ended. */
  async schedule(tx: TenantTx, { id, databaseId }: DocumentOfDatabase, { version, blobKey }: Leftovers = {}): Promise<void> {
    await this.jobs.enqueueTask(tx, this, { documentId: id, databaseId, ...(version === undefined ? {} : { version: String(version) }), ...(blobKey === undefined ? {} : { blobKey }) });
  }

  /** A failed document keeps its row and file for a while, uncharged, unless it is deleted or processed anew before. */
  async scheduleExpiry(tx: TenantTx, { id, databaseId }: DocumentOfDatabase, version: number): Promise<void> {
    await this.jobs.enqueueTask(tx, this, { documentId: id, databaseId, version: String(version), expires: 'yes' }, FAILED_KEPT_SECONDS);
  }

  async run(data: Record<string, string>): Promise<void> {
    const { tenantId, documentId, version, blobKey, expires } = data as { tenantId: string; documentId: string; version?: string; blobKey?: string; expires?: string };
    // Tasks from before there were versions name none.
    if (expires !== undefined) await this.transactions.forTenant(tenantId, (tx) => this.expire(tx, documentId, Number(version ?? 1)));
    const scope = { tenantId, documentId };
    const found = await this.find(scope, data);
    if (!found) return;
    const { document } = found;
    // Tasks from before databases could move name none; by then the document is there.
    const databaseId = document?.databaseId ?? data['databaseId'];
    if (databaseId !== undefined) await this.removeVectors(scope, databaseId, document);
    await this.removeFiles(scope, document, { ...(version === undefined ? {} : { version: Number(version) }), ...(blobKey === undefined ? {} : { blobKey }) });
    if (document?.state === 'DELETED') await this.transactions.forTenant(tenantId, (tx) => this.forget(tx, documentId));
  }

  /** For a worker whose attempt has ended: what it stored must go, unless the version is being made by another attempt or served after all. */
  async clear(scope: DocumentScope, databaseId: string, version: number): Promise<void> {
    const found = await this.find(scope, { documentId: scope.documentId, databaseId, version: String(version) });
    if (!found || versionsInUse(found.document).includes(version)) return;
    await this.removeVectors(scope, databaseId, found.document);
    await this.removeFiles(scope, found.document, { version });
  }

  /** For what was written beside an original that may have gone meanwhile. */
  async clearFile(scope: DocumentScope, blobKey: string): Promise<void> {
    const found = await this.find(scope, { documentId: scope.documentId, blobKey });
    if (found) await this.removeFiles(scope, found.document, { blobKey });
  }

  /** The document as the removal goes by it; null when that has to wait for a backup, and is now a task of its own. */
  private find({ tenantId, documentId }: DocumentScope, whatWaits: Record<string, string>): Promise<{ document: DocumentEntity | null } | null> {
    return this.transactions.forTenant(tenantId, async (tx) => {
      const document = await this.documents.findById(tx, documentId);
      if (!(await backupRuns(tx))) return { document };
      await this.jobs.enqueueTask(tx, this, whatWaits, PUT_OFF_SECONDS);
      return null;
    });
  }

  /** Of a version that began after the row was read nothing is touched, however late this comes. */
  private async removeVectors(scope: DocumentScope, databaseId: string, document: DocumentEntity | null): Promise<void> {
    for (const collection of await this.collections.ofDatabase(scope.tenantId, databaseId)) await collection.deleteDocument(scope, document ? { upTo: document.lastVersion, except: versionsInUse(document) } : {});
  }

  private async removeFiles({ tenantId, documentId }: DocumentScope, document: DocumentEntity | null, left: Leftovers): Promise<void> {
    const inUse = document && document.state !== 'DELETED' ? [document.blobKey, document.next?.blobKey] : [];
    const originals = document?.state === 'DELETED' ? [document.blobKey, document.next?.blobKey, left.blobKey] : [left.blobKey];
    const versions = document?.state === 'DELETED' ? [document.version, document.next?.version, left.version] : [left.version];
    for (const key of new Set(originals)) if (key !== undefined && !inUse.includes(key)) for (const file of [remoteTextKey(key), key]) await this.blobs.remove(file);
    const readable = versionsInUse(document);
    for (const version of new Set(versions)) if (version !== undefined && !readable.includes(version)) await this.blobs.remove(textKey(tenantId, documentId, version));
  }

  /** Not when it was processed anew since, whether that worked or not. */
  private async expire(tx: TenantTx, documentId: string, version: number): Promise<void> {
    const document = await this.documents.lock(tx, documentId);
    if (document?.state === 'FAILED' && document.version === version) await this.documents.update(tx, documentId, { state: 'DELETED' });
  }

  /** The last trace: the row, its chunks and what it was charged, once. */
  private async forget(tx: TenantTx, documentId: string): Promise<void> {
    const document = await this.documents.lock(tx, documentId);
    if (document?.state !== 'DELETED') return;
    await this.documents.remove(tx, documentId);
    await this.charges.settle(tx, document, null);
  }
}
