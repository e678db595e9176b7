import { AppError } from '../../common/errors.js';
import { within } from '../../common/within.js';
import { unavailableOr } from '../vector-stores/vector-store.errors.js';
import type { Capacities, CollectionOptions, DocumentScope, VectorHit, VectorPoint, VectorQuery, VectorStore, VersionRange, VersionScope } from '../vector-stores/vector-store.js';

/** A person waits for it, and for the other databases, which have answered by then. */
const SEARCH_PATIENCE_MS = 10_000;

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
    private readonly searchPatienceMs = SEARCH_PATIENCE_MS,
  ) {}

  get capacities(): Capacities {
    return this.store.capacities;
  }

  ensure(): Promise<void> {
    return this.guard(() => this.store.ensureCollection(this.name, this.options));
  }

  replaceDocument(version: VersionScope, points: readonly VectorPoint[]): Promise<void> {
    return this.guard(() => this.store.replaceDocument(this.name, version, points));
  }

  deleteDocument(document: DocumentScope, versions?: VersionRange): Promise<void> {
    return this.guard(() => this.store.deleteDocument(this.name, document, versions));
  }

  search(query: VectorQuery): Promise<VectorHit[]> {
    return this.guard(() => within(this.searchPatienceMs, this.store.search(this.name, query)));
  }

  count(tenantId: string): Promise<number> {
    return this.guard(() => this.store.count(this.name, tenantId));
  }

  private async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof AppError ? error : await unavailableOr(this.store, error);
    }
  }
}
