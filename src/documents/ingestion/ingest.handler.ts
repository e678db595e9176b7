import { Injectable } from '@nestjs/common';
import { AppError } from '../../common/errors.js';
import { DatabaseCollections } from '../../databases/collections/database-collections.service.js';
import { CollectionReplaced } from '../../databases/databases.errors.js';
import { pointId } from '../../databases/vector-stores/point-id.js';
import { VectorStoreUnavailable } from '../../databases/vector-stores/vector-store.errors.js';
import type { VectorPoint, VersionScope } from '../../databases/vector-stores/vector-store.js';
import { EmbeddingFailed } from '../../embeddings/embedder.js';
import type { JobHandler, JobLease, JobRun } from '../../jobs/job-handler.js';
import type { JobError } from '../../jobs/job.entity.js';
import { JobFailure, LeaseLost } from '../../jobs/jobs.errors.js';
import type { TenantTx } from '../../persistence/transactions.js';
import type { IdentifiedChunk } from '../chunks.repository.js';
import type { DocumentRevision } from '../document.entity.js';
import { BlobStoreUnavailable } from '../documents.errors.js';
import { PurgeHandler } from '../purge.handler.js';
import { BlobStore } from '../storage/blob-store.js';
import { opened } from '../storage/open-blob.js';
import { remoteTextKey, textKey } from '../versions/blob-keys.js';
import { cutInTurns } from './chunking/cut-in-turns.js';
import type { ExtractedDocument } from './extracted-document.js';
import { Extraction } from './extraction.js';
import { DocumentEmbedding } from './document-embedding.js';
import { ExtractionFailed } from './extraction-failed.js';
import { isReadableType, type ReadableType } from './media-type.js';
import { IngestionsService, type IngestionSubject } from './ingestions.service.js';

/** So long a job leaves a store alone that does not answer. */
const STORE_AWAY_SECONDS = 10;

/** Errors of the stages as reasons the document's owner can read; whatever is not known is worth another attempt. */
function asJobFailure(error: unknown): unknown {
  if (error instanceof ExtractionFailed) return new JobFailure(error.code, error.message, error.permanent, { cause: error });
  if (error instanceof EmbeddingFailed) return new JobFailure(error.code, error.message, error.permanent, { cause: error, retryAfterSeconds: error.retryAfterSeconds });
  if (error instanceof VectorStoreUnavailable) return new JobFailure(error.code, 'The vector database does not answer.', false, { cause: error, retryAfterSeconds: STORE_AWAY_SECONDS });
  if (error instanceof BlobStoreUnavailable) return new JobFailure(error.code, 'The store of files does not answer.', false, { cause: error, retryAfterSeconds: STORE_AWAY_SECONDS });
  if (error instanceof CollectionReplaced) return new JobFailure(error.code, error.message, false, { cause: error, retryAfterSeconds: 1 });
  // A full quota, a server that is switched off, a model that changed: somebody has to do something first.
  if (error instanceof AppError && error.status < 500 && !error.retryable) return new JobFailure(error.code, error.message, true, { cause: error });
  return error;
}

/** Turns a stored file into chunks and vectors: extract, cut, embed, store, and only then make it visible. */
@Injectable()
export class IngestHandler implements JobHandler {
  readonly type = 'ingest';
  readonly maxAttempts = 5;

  constructor(
    private readonly ingestions: IngestionsService,
    private readonly blobs: BlobStore,
    private readonly extraction: Extraction,
    private readonly embedding: DocumentEmbedding,
    private readonly collections: DatabaseCollections,
    private readonly purge: PurgeHandler,
  ) {}

  async run(run: JobRun): Promise<void> {
    const subject = await this.start(run.lease);
    try {
      await this.ingest(run, subject);
    } catch (error) {
      await this.clear(run.lease, subject, error);
      throw asJobFailure(error);
    }
  }

  /** The version may have ended while we worked on it, and its document been deleted, perhaps with its whole tenant: what we stored since then must go again. */
  private async clear({ tenantId, documentId }: JobLease, { revision, database }: IngestionSubject, error: unknown): Promise<void> {
    await this.purge.clear({ tenantId, documentId }, database.id, revision.version);
    if (error instanceof LeaseLost) await this.collections.dropUnlessUsed(database);
  }

  private async start(lease: JobLease): Promise<IngestionSubject> {
    try {
      return await this.ingestions.start(lease);
    } catch (error) {
      throw asJobFailure(error);
    }
  }

  letGo(tx: TenantTx, lease: JobLease): Promise<void> {
    return this.ingestions.letGo(tx, lease);
  }

  giveUp(tx: TenantTx, lease: JobLease, error: JobError, stage: string): Promise<void> {
    return this.ingestions.giveUp(tx, lease, error, stage);
  }

  retry(tx: TenantTx, lease: JobLease): Promise<void> {
    return this.ingestions.retry(tx, lease);
  }

  private async ingest(run: JobRun, subject: IngestionSubject): Promise<void> {
    const { documentId, database, revision } = subject;
    const { tenantId } = run.lease;
    await run.report(5, 'extracting');
    const { name: fileName, sourceUrl } = revision;
    const { key, type } = readableOf(revision);
    const extracted = await this.extraction.extract(() => opened(this.blobs.openForReading(key), key), { fileName, type, owner: tenantId, mainContentOnly: sourceUrl !== null }, run.signal);
    await run.report(30, 'chunking');
    const embedder = await this.embedding.of(database);
    const chunks = await this.cut(extracted, subject, embedder.maxInputTokens, run.signal);
    await this.ingestions.reserve(run.lease, subject, chunks.length);
    const texts = chunks.map(({ text }) => text);
    const vectors = await this.embedding.embed(embedder, texts, run, (done) => run.report(40 + 50 * done, 'embedding'));
    await run.report(90, 'storing');
    await this.blobs.write(textKey(tenantId, documentId, revision.version), extracted.text);
    const collection = await this.collections.of(database);
    await collection.ensure();
    // What comes next cannot be stopped half-way.
    run.signal.throwIfAborted();
    const scope = { tenantId, documentId, version: revision.version };
    await collection.replaceDocument(scope, toPoints(scope, chunks, vectors));
    await this.ingestions.complete(run.lease, { ...subject, revision: { ...revision, title: titleOf(revision, extracted) } }, chunks);
  }

  private async cut(extracted: ExtractedDocument, { documentId, revision }: IngestionSubject, maxTokens: number, signal: AbortSignal): Promise<IdentifiedChunk[]> {
    const { version, chunkSize, chunkOverlap, chunkingStrategy } = revision;
    const chunks = await cutInTurns(extracted, { chunkSize, chunkOverlap, chunkingStrategy, maxTokens }, signal);
    return chunks.map((chunk) => ({ ...chunk, id: pointId(documentId, version, chunk.index) }));
  }
}

/** The file itself, or what a worker elsewhere read in it. */
function readableOf({ blobKey, type }: DocumentRevision): { key: string; type: ReadableType } {
  return isReadableType(type) ? { key: blobKey, type } : { key: remoteTextKey(blobKey), type: 'md' };
}

function titleOf({ title, name }: DocumentRevision, extracted: ExtractedDocument): string | null {
  // A title that the sender chose differs from the file name it would otherwise have.
  return title === name ? (extracted.title ?? title) : title;
}

function toPoints(scope: VersionScope, chunks: readonly IdentifiedChunk[], vectors: readonly Float32Array[]): VectorPoint[] {
  return chunks.map(({ id, text, index }, at) => ({ ...scope, id, vector: vectors[at]!, text, index }));
}
