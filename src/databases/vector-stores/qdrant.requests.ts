import type { Schemas } from '@qdrant/js-client-rest';
import { v5 } from 'uuid';
import { queryTerms, termWeights } from './bm25.js';
import type { SparseVector } from './bm25.js';
import { checkVector } from './vector-checks.js';
import type { CollectionOptions, Distance, DocumentScope, VectorHit, VectorPoint, VectorQuery, VersionRange, VersionScope } from './vector-store.js';

type Condition = Schemas['FieldCondition'];
type Operation = Schemas['UpdateOperation'];

/** Of vectors in one request: at most 24 characters each, of the 32 MB that Qdrant takes. */
const NUMBERS_PER_REQUEST = 500_000;
/** What a point has besides, in the length of a number. */
const NUMBERS_OF_PAYLOAD = 20;

/** The vectors of a point. */
const [DENSE, SPARSE] = ['dense', 'bm25'] as const;

const DISTANCE: Record<Distance, Schemas['Distance']> = { cosine: 'Cosine', dot: 'Dot', euclidean: 'Euclid' };
const SIMILARITY: Record<Distance, (score: number) => number> = {
  cosine: (score) => Math.max(-1, Math.min(1, score)),
  dot: (score) => score,
  // Of this one the score is the distance itself.
  euclidean: (score) => 1 / (1 + score),
};

/** Beside its vectors a point holds what it is found by and no text: what a search answers with is read from elsewhere. */
type Payload = {
  tenant_id: string;
  document_id: string;
  version: number;
  chunk_index: number;
  /** What the port calls it. */
  point_id: string;
};
const SHOWN: (keyof Payload)[] = ['document_id', 'version', 'chunk_index', 'point_id'];

/** What is filtered by, so that nothing is scanned for it. */
export const INDEXES: Readonly<Record<string, Schemas['PayloadSchemaParams']>> = {
  tenant_id: { type: 'keyword', is_tenant: true },
  document_id: { type: 'keyword' },
  version: { type: 'integer' },
};

/** @param partitioned a graph for each tenant instead of one for all of them */
export function collectionOf({ dimensions, distance = 'cosine' }: CollectionOptions, partitioned: boolean): Schemas['CreateCollection'] {
  return {
    vectors: { [DENSE]: { size: dimensions, distance: DISTANCE[distance] } },
    sparse_vectors: { [SPARSE]: { modifier: 'idf' } },
    ...(partitioned ? { hnsw_config: { payload_m: 16, m: 0 } } : {}),
  };
}

/** @returns undefined when it is no collection of ours */
export function optionsOf({ config }: Schemas['CollectionInfo']): Required<CollectionOptions> | undefined {
  const { vectors, sparse_vectors: sparse } = config.params;
  const dense = (vectors as Record<string, Schemas['VectorParams']> | undefined)?.[DENSE];
  const distance = (['cosine', 'dot', 'euclidean'] as const).find((each) => DISTANCE[each] === dense?.distance);
  return dense && distance && sparse?.[SPARSE] ? { dimensions: dense.size, distance } : undefined;
}

/**
 * Puts the points in the place of all others of their version. Qdrant applies the operations in their order and each of them point by point.
 * @returns requests to be sent one after the other; the last one also removes what is left of the version
 */
export function replacement(version: VersionScope, points: readonly VectorPoint[]): Operation[][] {
  const upserts = batches(points).map((batch): Operation[] => [{ upsert: { points: batch } }]);
  const rest: Schemas['Filter'] = { must: [...ofDocument(version), matching('version', version.version)] };
  if (points.length > 0) rest.must_not = [{ has_id: points.map(storedId) }];
  return [...upserts.slice(0, -1), [...(upserts.at(-1) ?? []), { delete: { filter: rest } }]];
}

export function removal(document: DocumentScope, { upTo, except = [] }: VersionRange): Operation {
  const must = ofDocument(document);
  if (upTo !== undefined) must.push({ key: 'version', range: { lte: upTo } });
  return { delete: { filter: { must, ...(except.length > 0 ? { must_not: [anyOf('version', except)] } : {}) } } };
}

export function ofTenant(tenantId: string): Schemas['Filter'] {
  return { must: [matching('tenant_id', tenantId)] };
}

/** @returns undefined for a question that has no words */
export function byKeyword(query: VectorQuery, limit: number, idfOfTenant: boolean): Schemas['QueryRequest'] | undefined {
  const terms = queryTerms(query.text);
  if (terms.indices.length === 0) return undefined;
  const params: Schemas['SearchParams'] = { idf: { corpus: ofTenant(query.tenantId) } };
  return { query: terms, using: SPARSE, ...(idfOfTenant ? { params } : {}), ...common(query, limit) };
}

/** @throws VectorDimensionMismatch; TypeError when there is no vector */
export function byVector(query: VectorQuery, dimensions: number, limit: number): Schemas['QueryRequest'] {
  if (!query.vector) throw new TypeError(`A search by ${query.mode} needs a vector.`);
  checkVector(query.vector, dimensions);
  return { query: [...query.vector], using: DENSE, ...common(query, limit) };
}

export function toVectorHits(found: Schemas['ScoredPoint'][], distance: Distance): VectorHit[] {
  return found.map((point) => {
    const vector = SIMILARITY[distance](point.score);
    return toHit(point, vector, { vector });
  });
}

export function toKeywordHits(found: Schemas['ScoredPoint'][]): VectorHit[] {
  return found.map((point) => toHit(point, point.score, { keyword: point.score }));
}

function common({ tenantId, documentIds, excludeDocumentIds = [] }: VectorQuery, limit: number): Partial<Schemas['QueryRequest']> {
  const filter: Schemas['Filter'] & { must: Condition[] } = { must: [matching('tenant_id', tenantId)] };
  if (documentIds) filter.must.push(anyOf('document_id', documentIds));
  if (excludeDocumentIds.length > 0) filter.must_not = [anyOf('document_id', excludeDocumentIds)];
  return { filter, limit, with_payload: SHOWN };
}

function ofDocument({ tenantId, documentId }: DocumentScope): Condition[] {
  return [matching('tenant_id', tenantId), matching('document_id', documentId)];
}

function matching(key: keyof Payload, value: string | number): Condition {
  return { key, match: { value } };
}

/** Qdrant refuses a list that says something twice. */
function anyOf(key: keyof Payload, values: readonly string[] | readonly number[]): Condition {
  return { key, match: { any: [...new Set<string | number>(values)] as string[] | number[] } };
}

/** One collection may hold several tenants, and the ids of their points are made of document ids alone. */
function storedId({ tenantId, id }: VectorPoint): string {
  return v5(tenantId, id);
}

function toPoint(point: VectorPoint, terms: SparseVector): Schemas['PointStruct'] {
  const { id, tenantId, documentId, version, index, vector } = point;
  const payload: Payload = { tenant_id: tenantId, document_id: documentId, version, chunk_index: index, point_id: id };
  return { id: storedId(point), vector: { [DENSE]: [...vector], ...(terms.indices.length > 0 ? { [SPARSE]: terms } : {}) }, payload };
}

function batches(points: readonly VectorPoint[]): Schemas['PointStruct'][][] {
  const all: Schemas['PointStruct'][][] = [];
  let free = 0;
  for (const point of points) {
    const terms = termWeights(point.text);
    const numbers = point.vector.length + 2 * terms.indices.length + NUMBERS_OF_PAYLOAD;
    if (numbers > free) {
      all.push([]);
      free = NUMBERS_PER_REQUEST;
    }
    all.at(-1)!.push(toPoint(point, terms));
    free -= numbers;
  }
  return all;
}

function toHit({ payload }: Schemas['ScoredPoint'], score: number, scores: VectorHit['scores']): VectorHit {
  const { point_id: id, document_id: documentId, version, chunk_index: index } = payload as Payload;
  return { id, documentId, version, index, score, scores };
}
