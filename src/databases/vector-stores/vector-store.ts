/** How near two vectors are; fixed with the collection. */
export const DISTANCES = ['cosine', 'dot', 'euclidean'] as const;
export type Distance = (typeof DISTANCES)[number];

export interface CollectionOptions {
  dimensions: number;
  /** `cosine` */
  distance?: Distance;
}

/** What a kind of store can do, so that nobody asks it for more. */
export interface Capacities {
  /** Without it `keyword` is refused by the adapter, and `hybrid` is what `vector` finds. */
  keyword: boolean;
  maxDimensions: number;
  distances: readonly Distance[];
}

/** One chunk of a document as it is stored for search. */
export interface VectorPoint {
  /** From `pointId`, so that a second run of the same work overwrites instead of adding. */
  id: string;
  /** Finite numbers, as many as the collection has dimensions. */
  vector: Float32Array;
  /** What keyword search reads. */
  text: string;
  tenantId: string;
  documentId: string;
  version: number;
  /** Of the chunk within its document version, from 0. */
  index: number;
}

/** All points of one document, of any version. */
export interface DocumentScope {
  tenantId: string;
  documentId: string;
}

/** All points of one version of a document. */
export interface VersionScope extends DocumentScope {
  version: number;
}

/** Which versions; without either, all. */
export interface VersionRange {
  /** Only these and those before: what was begun later is not touched. */
  upTo?: number;
  except?: readonly number[];
}

export interface VectorQuery {
  /** Obligatory: a collection holds one tenant by design, and the filter holds even when that fails. */
  tenantId: string;
  mode: 'hybrid' | 'vector' | 'keyword';
  /** Any text at all; no character in it has a meaning of its own. Read by `hybrid` and `keyword`. */
  text: string;
  /** Needed by `hybrid` and `vector`. */
  vector?: Float32Array;
  limit: number;
  /** Only these; an empty list finds nothing. */
  documentIds?: readonly string[];
  excludeDocumentIds?: readonly string[];
}

export interface VectorHit {
  id: string;
  documentId: string;
  version: number;
  index: number;
  /** `vector`: similarity; `keyword`: BM25 or what the store has like it; `hybrid`: reciprocal rank fusion, 1 for the first of both lists. */
  score: number;
  /** The parts that found it. Similarity: cosine (-1 to 1), dot product, or 1 / (1 + Euclidean distance). Keyword: above 0, no upper bound. */
  scores: { vector?: number; keyword?: number };
}

/**
 * Where the vectors of a database live; its own injection token. An adapter keeps these promises, which
 * `test/databases/vector-store.contract.spec.ts` checks on each of them:
 * writes are seen by every later search, also of other processes; a refused write changes nothing; results are in a
 * fixed order, by score and then by id. Two writers of the same points at once, of which one lost its job and does not
 * know it yet, leave each point once.
 */
export abstract class VectorStore {
  abstract readonly capacities: Capacities;

  /**
   * Creates the collection, or does nothing when it exists.
   * @throws InvalidCollectionName; VectorDimensionMismatch when it exists with other dimensions; VectorDistanceMismatch with another distance
   */
  abstract ensureCollection(name: string, options: CollectionOptions): Promise<void>;

  /** Removes the collection and all its points; one that does not exist is fine. */
  abstract dropCollection(name: string): Promise<void>;

  /**
   * Removes every collection whose name begins with `prefix`, of 1 to 100 characters.
   * @returns how many there were
   */
  abstract dropCollections(prefix: string): Promise<number>;

  /**
   * Makes `points` the whole of this version of the document in one step: a search sees all of what it had before or all of these. Other
   * versions stay as they are. A store without transactions may show some of both for a moment, never a gap, and says so.
   * @throws InvalidPoints, VectorDimensionMismatch, CollectionMissing, all before anything is written
   */
  abstract replaceDocument(collection: string, version: VersionScope, points: readonly VectorPoint[]): Promise<void>;

  /** A document, version or collection that does not exist is fine. */
  abstract deleteDocument(collection: string, document: DocumentScope, versions?: VersionRange): Promise<void>;

  /**
   * @returns at most `limit` hits, best first; none when the collection does not exist
   * @throws VectorDimensionMismatch; KeywordNotSupported; TypeError when the mode needs a vector and has none
   */
  abstract search(collection: string, query: VectorQuery): Promise<VectorHit[]>;

  /** @returns the number of the tenant's points; 0 when the collection does not exist */
  abstract count(collection: string, tenantId: string): Promise<number>;

  /**
   * Answers when the store can be used, and rejects when it cannot.
   * @returns the version of a server, where the store is one
   */
  abstract ping(): Promise<{ latencyMs: number; version?: string }>;

  abstract close(): Promise<void>;
}
