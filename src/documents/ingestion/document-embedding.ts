import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { DatabaseEntity } from '../../databases/database.entity.js';
import { embeddingOf } from '../../databases/embedding-choice.js';
import type { Embedder } from '../../embeddings/embedder.js';
import { Embedders } from '../../embeddings/embedders.js';
import type { JobLease, JobRun } from '../../jobs/job-handler.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { Transactions } from '../../persistence/transactions.js';
import { EmbeddingCheckpointsRepository } from './embedding-checkpoints.repository.js';

/** Texts embedded between two reports of progress, and what a failure may cost once more. */
const BATCH = 64;
const BYTES_OF_NUMBER = Float32Array.BYTES_PER_ELEMENT;

function toBytes(vectors: readonly Float32Array[]): Buffer {
  return Buffer.concat(vectors.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)));
}

function toVectors(bytes: Buffer, dimensions: number): Float32Array[] {
  // A copy, since a view has to begin at a multiple of four.
  const numbers = new Float32Array(new Uint8Array(bytes).buffer);
  return Array.from({ length: bytes.length / (dimensions * BYTES_OF_NUMBER) }, (_, at) => numbers.subarray(at * dimensions, (at + 1) * dimensions));
}

function digestOf({ model, dimensions }: Embedder, texts: readonly string[]): Buffer {
  return createHash('sha256').update(JSON.stringify([model, dimensions, texts])).digest();
}

/**
 * Embeds the texts of a document, batch by batch. What a batch answered is kept until the document is ingested or deleted, so that an attempt after
 * a failure or a crash asks for what is missing only: texts and their order are the same each time, and a digest notices when they are not.
 */
@Injectable()
export class DocumentEmbedding {
  constructor(
    private readonly embedders: Embedders,
    private readonly transactions: Transactions,
    private readonly jobs: JobsService,
    private readonly checkpoints: EmbeddingCheckpointsRepository,
  ) {}

  /** @throws EmbeddingFailed */
  of(database: DatabaseEntity): Promise<Embedder> {
    return this.embedders.of(embeddingOf(database));
  }

  /**
   * @param report is told before each batch which part is done, from 0 to 1
   * @returns one vector a text
   * @throws EmbeddingFailed, LeaseLost
   */
  async embed(embedder: Embedder, texts: readonly string[], { lease, signal }: JobRun, report: (done: number) => Promise<void>): Promise<Float32Array[]> {
    // A single batch is either answered or not.
    const isKept = !embedder.isLocal && texts.length > BATCH;
    const known = isKept ? await this.transactions.forTenant(lease.tenantId, (tx) => this.checkpoints.listDigests(tx, lease.documentId)) : new Map<number, Buffer>();
    const vectors: Float32Array[] = [];
    for (let from = 0; from < texts.length; from += BATCH) {
      await report(from / texts.length);
      const [batch, part] = [from / BATCH, texts.slice(from, from + BATCH)];
      const digest = digestOf(embedder, part);
      const kept = known.get(batch)?.equals(digest) ? await this.find(lease, batch, digest, embedder.dimensions) : null;
      const answered = kept ?? (await embedder.embedDocuments(part, signal));
      if (isKept && !kept) await this.save(lease, batch, digest, answered);
      vectors.push(...answered);
    }
    return vectors;
  }

  private async find({ tenantId, documentId }: JobLease, batch: number, digest: Buffer, dimensions: number): Promise<Float32Array[] | null> {
    const bytes = await this.transactions.forTenant(tenantId, (tx) => this.checkpoints.find(tx, documentId, batch, digest));
    return bytes && toVectors(bytes, dimensions);
  }

  /** Of the attempt that holds the job only: whoever lost it may be late for a document that is ingested or deleted. */
  private save(lease: JobLease, batch: number, digest: Buffer, vectors: readonly Float32Array[]): Promise<void> {
    const bytes = toBytes(vectors);
    return this.transactions.forTenant(lease.tenantId, async (tx) => {
      await this.jobs.hold(tx, lease);
      await this.checkpoints.save(tx, lease.documentId, batch, digest, bytes);
    });
  }
}
