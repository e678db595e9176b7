import { Injectable } from '@nestjs/common';
import { EmbeddingModelChanged } from '../../databases/databases.errors.js';
import { pointId } from '../../databases/vector-stores/point-id.js';
import { VectorStore, type VectorPoint } from '../../databases/vector-stores/vector-store.js';
import { Embedder, EmbeddingFailed } from '../../embeddings/embedder.js';
import type { JobHandler, JobLease, JobRun } from '../../jobs/job-handler.js';
import type { JobError } from '../../jobs/job.entity.js';
import { JobFailure, LeaseLost } from '../../jobs/jobs.errors.js';
import type { TenantTx } from '../../persistence/transactions.js';
import { QuotaExceeded } from '../../tenancy/tenancy.errors.js';
import type { IdentifiedChunk } from '../chunks.repository.js';
import type { DocumentEntity } from '../document.entity.js';
import { PurgeHandler } from '../purge.handler.js';
import { BlobStore } from '../storage/blob-store.js';
import { cutInTurns } from './chunking/cut-in-turns.js';
import type { ExtractedDocument } from './extracted-document.js';
import { Extraction } from './extraction.js';
import { ExtractionFailed } from './extraction-failed.js';
import { IngestionsService, type IngestionSubject } from './ingestions.service.js';

/** Texts embedded between two reports of progress. */
const BATCH = 64;

/** Errors of the stages as reasons the document's owner can read; whatever is not known is worth another attempt. */
function asJobFailure(error: unknown): unknown {
  if (error instanceof ExtractionFailed || error instanceof EmbeddingFailed) return new JobFailure(error.code, error.message, error.permanent, { cause: error });
  if (error instanceof QuotaExceeded || error instanceof EmbeddingModelChanged) return new JobFailure(error.code, error.message, true, { cause: error });
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
    private readonly embedder: Embedder,
    private readonly store: VectorStore,
    private readonly purge: PurgeHandler,
  ) {}

  async run(run: JobRun): Promise<void> {
    const subject = await this.start(run.lease);
    try {
      await this.ingest(run, subject);
    } catch (error) {
      // The document was deleted while we worked on it, perhaps with its whole tenant: what we stored since then must go again.
      if (error instanceof LeaseLost) await this.clear(run.lease, subject.database.collectionName);
      throw asJobFailure(error);
    }
  }

  private async clear({ tenantId, documentId }: JobLease, collection: string): Promise<void> {
    await this.purge.removeVectors({ tenantId, documentId }, collection);
    await this.ingestions.dropUnlessUsed(tenantId, collection);
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

  async giveUp(tx: TenantTx, lease: JobLease, error: JobError, stage: string): Promise<void> {
    const collection = await this.ingestions.giveUp(tx, lease, error, stage);
    if (collection === null) return;
    await this.purge.schedule(tx, lease.documentId, collection);
    await this.purge.scheduleExpiry(tx, lease.documentId, collection);
  }

  private async ingest(run: JobRun, { document, database }: IngestionSubject): Promise<void> {
    await run.report(5, 'extracting');
    const extracted = await this.extraction.extract(this.blobs.pathOf(document.blobKey), { fileName: document.name, type: document.type }, run.signal);
    await run.report(30, 'chunking');
    const chunks = await this.cut(extracted, document, run.signal);
    await this.ingestions.reserve(run.lease, chunks.length);
    const vectors = await this.embed(chunks, run);
    await run.report(90, 'storing');
    await this.store.ensureCollection(database.collectionName, { dimensions: database.dimensions });
    await this.store.replaceDocument(database.collectionName, { tenantId: document.tenantId, documentId: document.id }, toPoints(document, chunks, vectors));
    await this.ingestions.complete(run.lease, document, titleOf(document, extracted), chunks);
  }

  private async cut(extracted: ExtractedDocument, document: DocumentEntity, signal: AbortSignal): Promise<IdentifiedChunk[]> {
    const { chunkSize, chunkOverlap, chunkingStrategy } = document;
    const chunks = await cutInTurns(extracted, { chunkSize, chunkOverlap, chunkingStrategy, maxTokens: this.embedder.maxInputTokens }, signal);
    return chunks.map((chunk) => ({ ...chunk, id: pointId(document.id, document.version, chunk.index) }));
  }

  private async embed(chunks: readonly IdentifiedChunk[], run: JobRun): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (let from = 0; from < chunks.length; from += BATCH) {
      await run.report(40 + (50 * from) / chunks.length, 'embedding');
      const texts = chunks.slice(from, from + BATCH).map((chunk) => chunk.text);
      vectors.push(...(await this.embedder.embedDocuments(texts, run.signal)));
    }
    return vectors;
  }
}

function titleOf(document: DocumentEntity, extracted: ExtractedDocument): string {
  // A title that the sender chose differs from the file name it would otherwise have.
  return document.title === document.name ? (extracted.title ?? document.title) : document.title;
}

function toPoints(document: DocumentEntity, chunks: readonly IdentifiedChunk[], vectors: readonly Float32Array[]): VectorPoint[] {
  return chunks.map((chunk, at) => ({
    id: chunk.id,
    vector: vectors[at]!,
    text: chunk.text,
    tenantId: document.tenantId,
    documentId: document.id,
    version: document.version,
    index: chunk.index,
  }));
}
