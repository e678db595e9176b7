import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../../persistence/transactions.js';
import { DocumentCharges } from '../document-charges.js';
import type { DocumentCharge, DocumentEntity, DocumentRevision } from '../document.entity.js';
import { DocumentChanged, DocumentNotFound, IllegalTransition, InvalidChunking } from '../documents.errors.js';
import { DocumentsRepository, type NewDocument } from '../documents.repository.js';
import type { ReprocessDto } from '../dto/reprocess.dto.js';
import { PurgeHandler } from '../purge.handler.js';
import { DocumentContentsRepository } from './document-contents.repository.js';
import { allowedIn, begun, type Operation } from './transitions.js';

export type RevisionFacts = Omit<DocumentRevision, 'version'>;

const UNTOUCHED: DocumentCharge = { isCharged: true, sizeBytes: 0, nextBytes: 0, chunkCount: 0, reservedPoints: 0 };

/** The same file once more. @throws InvalidChunking */
export function sameFile(document: DocumentEntity, changes: ReprocessDto): RevisionFacts {
  const { name, type, mediaType, sizeBytes, contentChecksum, blobKey, sourceUrl } = document;
  const { chunk_size: chunkSize = document.chunkSize, chunk_overlap: chunkOverlap = document.chunkOverlap, chunking_strategy: chunkingStrategy = document.chunkingStrategy } = changes;
  if (chunkOverlap >= chunkSize) throw new InvalidChunking(chunkSize, chunkOverlap);
  return { name, title: null, type, mediaType, sizeBytes, contentChecksum, blobKey, chunkSize, chunkOverlap, chunkingStrategy, metadata: null, sourceUrl };
}

/** What people begin and end with a document that is there. Each locks the row first, and takes the counters last. */
@Injectable()
export class DocumentRevisions {
  constructor(
    private readonly documents: DocumentsRepository,
    private readonly contents: DocumentContentsRepository,
    private readonly charges: DocumentCharges,
    private readonly purge: PurgeHandler,
  ) {}

  /** A new document, whose job was queued before. @throws DuplicateDocument, QuotaExceeded */
  async create(tx: TenantTx, document: NewDocument): Promise<void> {
    await this.documents.insert(tx, document);
    await this.contents.claim(tx, document.databaseId, document.contentChecksum, document.id);
    await this.charges.settle(tx, null, { ...UNTOUCHED, sizeBytes: document.sizeBytes });
  }

  /**
   * Begins the next version, which `jobId` is to make: beside what is served, or in place of what failed. The job is queued by the caller, in
   * the same transaction and before this, since the counters come last. Of a file that the document has already its own copy is used.
   * @param factsFor what the version is made of, told of the document as it is under the lock
   * @throws DocumentNotFound, IllegalTransition, DuplicateDocument, QuotaExceeded; nothing has begun then
   */
  async begin(tx: TenantTx, documentId: string, jobId: string, factsFor: (document: DocumentEntity) => RevisionFacts): Promise<DocumentEntity> {
    const document = await this.lock(tx, documentId, 'reprocess');
    const wanted = factsFor(document);
    const isSameFile = wanted.contentChecksum === document.contentChecksum;
    const facts = isSameFile ? { ...wanted, blobKey: document.blobKey } : wanted;
    const patch = begun(document, facts, jobId);
    await this.documents.update(tx, documentId, patch);
    await this.contents.claim(tx, document.databaseId, facts.contentChecksum, documentId);
    // The file of a document that failed is not read by anybody: it goes as soon as another is there.
    const superfluous = isSameFile ? wanted.blobKey : document.state === 'FAILED' ? document.blobKey : facts.blobKey;
    if (superfluous !== facts.blobKey) await this.purge.schedule(tx, document, { blobKey: superfluous });
    await this.charges.settle(tx, document, { ...document, ...patch });
    return document;
  }

  /**
   * Whether a file of at least so many bytes could be taken now, as a new document or, where there is one to replace, as its next version.
   * Takes nothing. @throws QuotaExceeded
   */
  async requireRoom(tx: TenantTx, sizeBytes: number): Promise<void> {
    await this.charges.requireRoom(tx, { documents: (await this.documents.isAnyServed(tx)) ? 0 : 1, bytes: sizeBytes });
  }

  /** @throws DocumentNotFound, IllegalTransition */
  async deprecate(tx: TenantTx, documentId: string): Promise<void> {
    await this.lock(tx, documentId, 'deprecate');
    await this.documents.update(tx, documentId, { state: 'DEPRECATED' });
  }

  /** @throws DocumentNotFound, IllegalTransition */
  async restore(tx: TenantTx, documentId: string): Promise<void> {
    await this.lock(tx, documentId, 'restore');
    await this.documents.update(tx, documentId, { state: 'INGESTED' });
  }

  /**
   * Hides the document from every reader and frees its content for others. What it had reserved goes back at once, what it used when the last
   * of it is gone.
   * @param seen as it was before its jobs were cancelled, which comes before this since a job that ends locks itself first
   * @throws DocumentNotFound; DocumentChanged when work began in between, whose job was not cancelled
   */
  async remove(tx: TenantTx, seen: DocumentEntity): Promise<void> {
    const document = await this.lock(tx, seen.id, 'delete');
    if (document.lastVersion !== seen.lastVersion) throw new DocumentChanged();
    await this.documents.update(tx, seen.id, { state: 'DELETED', reservedPoints: 0 });
    await this.contents.keepOnly(tx, seen.id, []);
    await this.purge.schedule(tx, document);
    await this.charges.settle(tx, document, { ...document, reservedPoints: 0 });
  }

  private async lock(tx: TenantTx, documentId: string, operation: Operation): Promise<DocumentEntity> {
    const document = await this.documents.lock(tx, documentId);
    if (!document || document.state === 'DELETED') throw new DocumentNotFound();
    const allowed = allowedIn(document.state);
    if (!allowed.includes(operation)) throw new IllegalTransition(document.state, allowed);
    return document;
  }
}
