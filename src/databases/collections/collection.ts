import { AppError } from '../../common/errors.js';
import { within } from '../../common/within.js';
import { unavailableOr } from '../vector-stores/vector-store.errors.js';
import type { StoreOperation } from './vector-store.metrics.js';
import type { Capacities, CollectionOptions, DocumentScope, VectorHit, VectorPoint, VectorQuery, VectorStore, VersionRange, VersionScope } from '../vector-stores/vector-store.js';

/** A person waits for it, and for the other databases, which have answered by then. */
const SEARCH_PATIENCE_MS = 10_000;

/** Runs an operation on the store, and tells how long it took. */
export type TimeOperation = <T>(operation: StoreOperation, work: () => Promise<T>) => Promise<T>;

/**
 * The collection that holds a database's vectors, on whichever server that is. Each method is the port's, and throws VectorStoreUnavailable besides,
 * when it failed and the server does not answer.
 */
export class Collection {
  constructor(
    private readonly store: VectorStore,
    /** What the server calls it. */
    readonly name: string,
    private readonly options: CollectionOptions,
    private readonly time: TimeOperation,
    private readonly searchPatienceMs = SEARCH_PATIENCE_MS,
  ) {}

  get capacities(): Capacities {
    return this.store.capacities;
  }

  ensure(): Promise<void> {
    return this.guard('ensure', () => this.store.ensureCollection(this.name, this.options));
  }

  replaceDocument(version: VersionScope, points: readonly VectorPoint[]): Promise<void> {
    return this.guard('upsert', () => this.store.replaceDocument(this.name, version, points));
  }

  deleteDocument(document: DocumentScope, versions?: VersionRange): Promise<void> {
    return this.guard('delete', () => this.store.deleteDocument(this.name, document, versions));
  }

  search(query: VectorQuery): Promise<VectorHit[]> {
    return this.guard('search', () => within(this.searchPatienceMs, this.store.search(this.name, query)));
  }

  count(tenantId: string): Promise<number> {
    return this.guard('count', () => this.store.count(this.name, tenantId));
  }

  private guard<T>(operation: StoreOperation, work: () => Promise<T>): Promise<T> {
    return this.time(operation, async () => {
      try {
        return await work();
      } catch (error) {
        throw error instanceof AppError ? error : await unavailableOr(this.store, error);
      }
    });
  }
}
