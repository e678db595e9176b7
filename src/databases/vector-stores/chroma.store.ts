import { ChromaHttp } from './chroma.http.js';
import type { ChromaServer } from './chroma.http.js';
import { inOrder } from './ranking.js';
import { checkCollectionName, checkCollectionPrefix, checkPoints, checkVector, checkVersions } from './vector-checks.js';
import { CollectionMissing, KeywordNotSupported, VectorDimensionMismatch, VectorDistanceMismatch } from './vector-store.errors.js';
import { DISTANCES, VectorStore } from './vector-store.js';
import type { Capacities, CollectionOptions, Distance, DocumentScope, VectorHit, VectorPoint, VectorQuery, VersionRange, VersionScope } from './vector-store.js';

/** As the server tells of it, as far as it is read. */
interface StoredCollection {
  id: string;
  name: string;
  configuration_json: Partial<Record<'hnsw' | 'spann', { space?: Space } | null>>;
  metadata: { dimensions?: number } | null;
}

interface Collection {
  /** Of its URL. */
  path: string;
  dimensions: number;
  distance: Distance;
}

type Space = 'cosine' | 'ip' | 'l2';
type Where = Record<string, unknown>;

interface Found {
  ids: string[][];
  distances: (number | null)[][];
  metadatas: ({ document_id: string; version: number; chunk_index: number } | null)[][];
}

const SPACES: Record<Distance, Space> = { cosine: 'cosine', dot: 'ip', euclidean: 'l2' };
const SIMILARITY: Record<Distance, (distance: number) => number> = {
  cosine: (distance) => Math.max(-1, Math.min(1, 1 - distance)),
  dot: (distance) => 1 - distance,
  // Of `l2` it is the square.
  euclidean: (distance) => 1 / (1 + Math.sqrt(Math.max(0, distance))),
};

/** Chroma's names begin and end with a letter or digit and have three characters; the dots also keep ours apart from others. */
const [NAME_START, NAME_END] = ['morag.', '.v1'];
/** Of vectors in one request, which servers take up to 40 MB of. */
const NUMBERS_PER_REQUEST = 400_000;
/** Candidates beyond the limit, so that equal scores at the edge are cut by id. */
const MARGIN = 50;
const IDS_PER_PAGE = 10_000;
/** A server on one machine keeps its metadata in SQLite, which takes 32,766 values in a statement. More documents than that cannot be left out. */
const IDS_PER_QUESTION = 30_000;
const COLLECTIONS_PER_PAGE = 1000;

/**
 * A Chroma server, from version 1.0. It ranks no words: its own full text only filters, and its `/search` is refused outside of its cloud; so
 * it is given none. It has no transactions either: while a version is written again, a search may meet some of its old points beside new ones,
 * never a gap; and those of a version that is new, which no reader is shown before its document is swapped to it.
 */
export class ChromaStore extends VectorStore {
  override readonly capacities: Capacities = { keyword: false, maxDimensions: 16_000, distances: DISTANCES };
  private maxBatch: number | undefined;

  private constructor(private readonly http: ChromaHttp) {
    super();
  }

  /** Connects at the first use. */
  static async open(server: ChromaServer): Promise<ChromaStore> {
    return new ChromaStore(new ChromaHttp(server));
  }

  override async ensureCollection(name: string, { dimensions, distance = 'cosine' }: CollectionOptions): Promise<void> {
    checkCollectionName(name);
    await this.batchSize();
    let existing = await this.find(name);
    if (!existing) {
      // Chroma itself knows the dimensions from the first vector on, so they are written beside it. Who comes second gets what the first made.
      await this.http.collections('POST', '', {
        name: `${NAME_START}${name}${NAME_END}`,
        configuration: { hnsw: { space: SPACES[distance] } },
        metadata: { dimensions },
        get_or_create: true,
      });
      existing = await this.find(name);
    }
    if (!existing) throw new CollectionMissing(name);
    if (existing.dimensions !== dimensions) throw new VectorDimensionMismatch(existing.dimensions, dimensions);
    if (existing.distance !== distance) throw new VectorDistanceMismatch(existing.distance, distance);
  }

  override async dropCollection(name: string): Promise<void> {
    checkCollectionName(name);
    await this.http.collections('DELETE', `/${NAME_START}${name}${NAME_END}`);
  }

  override async dropCollections(prefix: string): Promise<number> {
    checkCollectionPrefix(prefix);
    const names = (await this.names()).filter((name) => name.startsWith(prefix));
    for (const name of names) await this.dropCollection(name);
    return names.length;
  }

  override async replaceDocument(name: string, version: VersionScope, points: readonly VectorPoint[]): Promise<void> {
    const collection = await this.find(name);
    if (!collection) throw new CollectionMissing(name);
    checkPoints(version, points, collection.dimensions);
    const batch = Math.max(1, Math.min(await this.batchSize(), Math.floor(NUMBERS_PER_REQUEST / collection.dimensions)));
    for (let at = 0; at < points.length; at += batch) {
      const written = await this.http.collections('POST', `${collection.path}/upsert`, toRecords(points.slice(at, at + batch)));
      if (!written) throw new CollectionMissing(name);
    }
    const kept = new Set(points.map(({ id, tenantId }) => recordId(tenantId, id)));
    const stale = (await this.idsOf(collection, whereDocument(version, { only: version.version }))).filter((id) => !kept.has(id));
    for (let at = 0; at < stale.length; at += batch) await this.http.collections('POST', `${collection.path}/delete`, { ids: stale.slice(at, at + batch) });
  }

  override async deleteDocument(name: string, document: DocumentScope, versions: VersionRange = {}): Promise<void> {
    checkVersions(versions);
    const collection = await this.find(name);
    if (collection) await this.http.collections('POST', `${collection.path}/delete`, { where: whereDocument(document, versions) });
  }

  override async search(name: string, query: VectorQuery): Promise<VectorHit[]> {
    checkCollectionName(name);
    if (query.mode === 'keyword') throw new KeywordNotSupported();
    if (query.limit < 1 || query.documentIds?.length === 0) return [];
    const collection = await this.find(name);
    if (!collection) return [];
    if (!query.vector) throw new TypeError(`A search by ${query.mode} needs a vector.`);
    checkVector(query.vector, collection.dimensions);
    const hits: VectorHit[] = [];
    for (const where of whereQuery(query)) {
      const found = await this.http.collections<Found>('POST', `${collection.path}/query`, {
        query_embeddings: [[...query.vector]],
        n_results: query.limit + MARGIN,
        where,
        include: ['distances', 'metadatas'],
      });
      if (found) hits.push(...toHits(found, query.tenantId, collection.distance));
    }
    return inOrder(hits).slice(0, query.limit);
  }

  override async count(name: string, tenantId: string): Promise<number> {
    const collection = await this.find(name);
    return collection ? (await this.idsOf(collection, { tenant_id: tenantId })).length : 0;
  }

  override async ping(): Promise<{ latencyMs: number; version: string }> {
    const start = performance.now();
    const { version, maxBatch } = await this.http.check();
    this.maxBatch = maxBatch;
    return { latencyMs: performance.now() - start, version };
  }

  override async close(): Promise<void> {
    // The connections are those of `Outbound`.
  }

  private async batchSize(): Promise<number> {
    return (this.maxBatch ??= (await this.http.check()).maxBatch);
  }

  /** Not kept: an id would outlive a drop by another process. */
  private async find(name: string): Promise<Collection | undefined> {
    checkCollectionName(name);
    const stored = await this.http.collections<StoredCollection>('GET', `/${NAME_START}${name}${NAME_END}`);
    if (!stored) return undefined;
    const { hnsw, spann } = stored.configuration_json;
    const space = (hnsw ?? spann)?.space ?? 'l2';
    const distance = DISTANCES.find((one) => SPACES[one] === space) ?? 'euclidean';
    return { path: `/${stored.id}`, dimensions: stored.metadata?.dimensions ?? 0, distance };
  }

  private async names(): Promise<string[]> {
    const names: string[] = [];
    for (let offset = 0; ; offset += COLLECTIONS_PER_PAGE) {
      const page = (await this.http.collections<StoredCollection[]>('GET', `?limit=${COLLECTIONS_PER_PAGE}&offset=${offset}`)) ?? [];
      for (const { name } of page) if (name.startsWith(NAME_START) && name.endsWith(NAME_END)) names.push(name.slice(NAME_START.length, -NAME_END.length));
      if (page.length < COLLECTIONS_PER_PAGE) return names;
    }
  }

  /** The server counts whole collections only. */
  private async idsOf({ path }: Collection, where: Where): Promise<string[]> {
    const ids: string[] = [];
    for (;;) {
      const page = await this.http.collections<{ ids: string[] }>('POST', `${path}/get`, { where, include: [], limit: IDS_PER_PAGE, offset: ids.length });
      ids.push(...(page?.ids ?? []));
      if (!page || page.ids.length < IDS_PER_PAGE) return ids;
    }
  }
}

/** One collection may hold several tenants, and the ids of their points are made of document ids alone. */
function recordId(tenantId: string, pointId: string): string {
  return `${tenantId}/${pointId}`;
}

function toRecords(points: readonly VectorPoint[]): object {
  return {
    ids: points.map(({ tenantId, id }) => recordId(tenantId, id)),
    embeddings: points.map(({ vector }) => [...vector]),
    metadatas: points.map(({ tenantId, documentId, version, index }) => ({ tenant_id: tenantId, document_id: documentId, version, chunk_index: index })),
  };
}

function toHits({ ids, distances, metadatas }: Found, tenantId: string, distance: Distance): VectorHit[] {
  return (ids[0] ?? []).flatMap((id, at) => {
    const [metadata, measured] = [metadatas[0]?.[at], distances[0]?.[at]];
    if (!metadata || typeof measured !== 'number') return [];
    const score = SIMILARITY[distance](measured);
    return { id: id.slice(tenantId.length + 1), documentId: metadata.document_id, version: metadata.version, index: metadata.chunk_index, score, scores: { vector: score } };
  });
}

function whereDocument({ tenantId, documentId }: DocumentScope, { only, upTo, except = [] }: VersionRange & { only?: number }): Where {
  const parts: Where[] = [{ tenant_id: tenantId }, { document_id: documentId }];
  if (only !== undefined) parts.push({ version: only });
  if (upTo !== undefined) parts.push({ version: { $lte: upTo } });
  if (except.length > 0) parts.push({ version: { $nin: except } });
  return { $and: parts };
}

/** One condition a question; each document is in one of them. */
function whereQuery({ tenantId, documentIds, excludeDocumentIds = [] }: VectorQuery): Where[] {
  const tenant = { tenant_id: tenantId };
  if (!documentIds) return [{ $and: excludeDocumentIds.length > 0 ? [tenant, { document_id: { $nin: excludeDocumentIds } }] : [tenant] }];
  const excluded = new Set(excludeDocumentIds);
  const wanted = [...new Set(documentIds)].filter((id) => !excluded.has(id));
  const groups = Array.from({ length: Math.ceil(wanted.length / IDS_PER_QUESTION) }, (_, at) => wanted.slice(at * IDS_PER_QUESTION, (at + 1) * IDS_PER_QUESTION));
  return groups.map((ids) => ({ $and: [tenant, { document_id: { $in: ids } }] }));
}
