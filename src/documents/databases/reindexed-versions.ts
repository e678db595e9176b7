import { Injectable } from '@nestjs/common';
import type { Collection } from '../../databases/collections/collection.js';
import type { ReindexEntity } from '../../databases/reindexes/reindex.entity.js';
import { Reindexes } from '../../databases/reindexes/reindexes.service.js';
import type { VectorPoint } from '../../databases/vector-stores/vector-store.js';
import type { Embedder } from '../../embeddings/embedder.js';
import { Transactions } from '../../persistence/transactions.js';
import { ChunksRepository, type StoredChunk } from '../chunks.repository.js';
import { DocumentsRepository } from '../documents.repository.js';
import { PurgeHandler } from '../purge.handler.js';
import { versionsInUse } from '../versions/transitions.js';
import { ReindexingRepository, type VersionToReindex } from './reindexing.repository.js';

/** Texts embedded at once. */
const BATCH = 64;

/** Where the vectors go, and what makes them. */
export interface Destination {
  collection: Collection;
  embedder: Embedder;
}

/** Which versions of documents are in the collection that a reindex makes, and how one gets there. */
@Injectable()
export class ReindexedVersions {
  constructor(
    private readonly transactions: Transactions,
    private readonly reindexes: Reindexes,
    private readonly repository: ReindexingRepository,
    private readonly documents: DocumentsRepository,
    private readonly chunks: ChunksRepository,
    private readonly purge: PurgeHandler,
  ) {}

  listMissing({ tenantId, id, databaseId }: ReindexEntity, before: string | null, limit: number): Promise<VersionToReindex[]> {
    return this.transactions.forTenant(tenantId, (tx) => this.repository.listMissing(tx, databaseId, id, before, limit));
  }

  /** Whether it still runs. */
  noteProgress({ tenantId, id }: ReindexEntity): Promise<boolean> {
    return this.transactions.forTenant(tenantId, async (tx) => this.reindexes.note(tx, id, { attempt: 0, error: null, documentsDone: await this.repository.countDone(tx, id) }));
  }

  swap({ tenantId, id, databaseId }: ReindexEntity): Promise<boolean> {
    return this.transactions.forTenant(tenantId, (tx) => this.reindexes.swap(tx, id, async () => (await this.repository.listMissing(tx, databaseId, id, null, 1)).length === 0));
  }

  /** Makes the points of one version. One that has ended meanwhile leaves none. */
  async make({ tenantId, id, databaseId }: ReindexEntity, version: VersionToReindex, { collection, embedder }: Destination, signal: AbortSignal): Promise<void> {
    const scope = { tenantId, ...version };
    const points: VectorPoint[] = [];
    for await (const chunks of this.pagesOf(tenantId, version)) {
      const vectors = await embedder.embedDocuments(chunks.map(({ text }) => text), signal);
      points.push(...chunks.map(({ id: chunkId, text, index }, at) => ({ ...scope, id: chunkId, vector: vectors[at]!, text, index })));
    }
    signal.throwIfAborted();
    await collection.replaceDocument(scope, points);
    const isNoted = await this.transactions.forTenant(tenantId, async (tx) => {
      const document = await this.documents.lock(tx, version.documentId);
      if (!versionsInUse(document).includes(version.version)) return false;
      await this.repository.markDone(tx, id, version);
      return true;
    });
    if (!isNoted) await this.purge.clear(scope, databaseId, version.version);
  }

  private async *pagesOf(tenantId: string, { documentId, version }: VersionToReindex): AsyncGenerator<StoredChunk[]> {
    for (let after = -1; ; ) {
      const page = await this.transactions.forTenant(tenantId, (tx) => this.chunks.list(tx, documentId, version, { after, limit: BATCH }));
      if (page.length > 0) yield page;
      if (page.length < BATCH) return;
      after = page.at(-1)!.index;
    }
  }
}
