import type { Schemas } from '@qdrant/js-client-rest';
import { QdrantHttp } from './qdrant.http.js';
import type { QdrantServer } from './qdrant.http.js';
import { byKeyword, byVector, collectionOf, INDEXES, ofTenant, optionsOf, removal, replacement, toKeywordHits, toVectorHits } from './qdrant.requests.js';
import { fuse, inOrder } from './ranking.js';
import { VectorServerFailure } from './remote-failure.js';
import { isAtLeast } from './server-version.js';
import { checkCollectionName, checkCollectionPrefix, checkPoints, checkVersions } from './vector-checks.js';
import { CollectionMissing, VectorDimensionMismatch, VectorDistanceMismatch } from './vector-store.errors.js';
import { DISTANCES, VectorStore } from './vector-store.js';
import type { Capacities, CollectionOptions, DocumentScope, VectorHit, VectorPoint, VectorQuery, VersionRange, VersionScope } from './vector-store.js';

export interface QdrantOptions extends QdrantServer {
  /** Collections are made for many tenants each: with a graph of its own for every tenant, and none for all. */
  partitioned?: boolean;
}

/** Candidates beyond the limit, so that equal scores at the edge are cut by id. */
const MARGIN = 50;
/** The first that can count the words of one tenant. */
const IDF_OF_TENANT = [1, 19] as const;

/**
 * A Qdrant server, from version 1.11. It has no transactions: while a version is written again, a search may meet some of its old points beside new
 * ones, never a gap; and those of a version that is new, which no reader is shown before its document is swapped to it.
 */
export class QdrantStore extends VectorStore {
  override readonly capacities: Capacities = { keyword: true, maxDimensions: 65_536, distances: DISTANCES };
  private known: Promise<string> | undefined;

  private constructor(
    private readonly http: QdrantHttp,
    private readonly partitioned: boolean,
  ) {
    super();
  }

  /** Connects at the first use. */
  static async open({ partitioned = false, ...server }: QdrantOptions): Promise<QdrantStore> {
    return new QdrantStore(new QdrantHttp(server), partitioned);
  }

  override async ensureCollection(name: string, options: CollectionOptions): Promise<void> {
    checkCollectionName(name);
    await this.version();
    let info = await this.http.collection(name);
    if (!info) {
      await this.http.create(name, collectionOf(options, this.partitioned));
      info = await this.http.collection(name);
    }
    if (!info) throw new CollectionMissing(name);
    const { dimensions, distance = 'cosine' } = options;
    const existing = ours(name, info);
    if (existing.dimensions !== dimensions) throw new VectorDimensionMismatch(existing.dimensions, dimensions);
    if (existing.distance !== distance) throw new VectorDistanceMismatch(existing.distance, distance);
    // Also of a collection whose creator died before they were there.
    for (const [field_name, field_schema] of Object.entries(INDEXES)) {
      if (!info.payload_schema[field_name]) await this.http.createIndex(name, { field_name, field_schema });
    }
  }

  override async dropCollection(name: string): Promise<void> {
    checkCollectionName(name);
    await this.http.drop(name);
  }

  override async dropCollections(prefix: string): Promise<number> {
    checkCollectionPrefix(prefix);
    const names = (await this.http.names()).filter((name) => name.startsWith(prefix));
    for (const name of names) await this.http.drop(name);
    return names.length;
  }

  override async replaceDocument(name: string, version: VersionScope, points: readonly VectorPoint[]): Promise<void> {
    const collection = await this.find(name);
    if (!collection) throw new CollectionMissing(name);
    checkPoints(version, points, collection.dimensions);
    for (const operations of replacement(version, points)) {
      if (!(await this.http.update(name, operations))) throw new CollectionMissing(name);
    }
  }

  override async deleteDocument(name: string, document: DocumentScope, versions: VersionRange = {}): Promise<void> {
    checkCollectionName(name);
    checkVersions(versions);
    await this.http.update(name, [removal(document, versions)]);
  }

  override async search(name: string, query: VectorQuery): Promise<VectorHit[]> {
    checkCollectionName(name);
    const { mode, limit } = query;
    if (limit < 1 || query.documentIds?.length === 0) return [];
    // Asked each time: another process may have dropped the collection and made another of its name.
    const collection = await this.find(name);
    if (!collection) return [];
    const wanted = mode === 'hybrid' ? Math.max(limit * 2, 100) : limit;
    const dense = mode === 'keyword' ? undefined : byVector(query, collection.dimensions, wanted + MARGIN);
    const sparse = mode === 'vector' ? undefined : byKeyword(query, wanted + MARGIN, await this.countsWordsOfTenant());
    const [nearest = [], matching = []] = await this.http.query(name, [dense, sparse]);
    const vectorHits = inOrder(toVectorHits(nearest, collection.distance)).slice(0, wanted);
    const keywordHits = inOrder(toKeywordHits(matching)).slice(0, wanted);
    const hits = mode === 'hybrid' ? fuse(vectorHits, keywordHits) : [...vectorHits, ...keywordHits];
    return hits.slice(0, limit);
  }

  override async count(name: string, tenantId: string): Promise<number> {
    checkCollectionName(name);
    return (await this.http.count(name, ofTenant(tenantId))) ?? 0;
  }

  /** Asks anew who the server is, which may have been replaced. */
  override async ping(): Promise<{ latencyMs: number; version: string }> {
    const start = performance.now();
    this.known = undefined;
    const version = await this.version();
    return { latencyMs: performance.now() - start, version };
  }

  override async close(): Promise<void> {
    // The connections are those of `Outbound`.
  }

  private async version(): Promise<string> {
    this.known ??= this.http.version();
    try {
      return await this.known;
    } catch (error) {
      this.known = undefined;
      throw error;
    }
  }

  /** Beside other tenants in one collection, how rare a word is would otherwise depend on what they write. */
  private async countsWordsOfTenant(): Promise<boolean> {
    return this.partitioned && isAtLeast(await this.version(), IDF_OF_TENANT);
  }

  private async find(name: string): Promise<Required<CollectionOptions> | undefined> {
    checkCollectionName(name);
    const info = await this.http.collection(name);
    return info && ours(name, info);
  }
}

function ours(name: string, info: Schemas['CollectionInfo']): Required<CollectionOptions> {
  const options = optionsOf(info);
  if (!options) throw new VectorServerFailure('unexpected', `The server has a collection "${name}" that was made by something else. Remove or rename it there.`);
  return options;
}
