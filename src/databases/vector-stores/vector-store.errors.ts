import { AppError } from '../../common/errors.js';
import { ServiceUnavailable } from '../../common/request-errors.js';
import { TimedOut, within } from '../../common/within.js';
import { VectorServerFailure } from './remote-failure.js';
import type { VectorStore } from './vector-store.js';

/** The embedding model and the collection disagree; only a reindex helps. */
export class VectorDimensionMismatch extends AppError {
  constructor(expected: number, actual: number) {
    super({
      status: 409,
      code: 'dimension_mismatch',
      title: 'Vector dimensions differ',
      detail: `The collection holds vectors of ${expected} dimensions, not ${actual}. Reindex the database.`,
      members: { expected, actual },
    });
  }
}

/** A collection orders by one distance for all its life. */
export class VectorDistanceMismatch extends AppError {
  constructor(expected: string, actual: string) {
    super({
      status: 409,
      code: 'distance_mismatch',
      title: 'Vector distances differ',
      detail: `The collection orders by ${expected} distance, not ${actual}. Reindex the database.`,
      members: { expected, actual },
    });
  }
}

/** Not every store keeps words beside its vectors. */
export class KeywordNotSupported extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'keyword_not_supported',
      title: 'No keyword search here',
      detail: 'The vector database of this database finds by vector only. Search with mode "vector" or "hybrid".',
    });
  }
}

/** The whole store is away, not one collection. */
export class VectorStoreUnavailable extends ServiceUnavailable {
  constructor(cause: unknown) {
    super('vector_store_unavailable', 'The vector database does not answer. Nothing was changed; try again in a moment.', 2, { cause });
  }
}

const PING_PATIENCE_MS = 5000;

/** What to throw after `error` of a store: tells one that is away, `VectorStoreUnavailable`, from one that failed at something, `error` itself. */
export async function unavailableOr(store: Pick<VectorStore, 'ping'>, error: unknown): Promise<unknown> {
  // It was away, though it may answer again by now.
  if (error instanceof TimedOut || (error instanceof VectorServerFailure && (error.code === 'refused' || error.code === 'timeout'))) return new VectorStoreUnavailable(error);
  try {
    await within(PING_PATIENCE_MS, store.ping());
  } catch (cause) {
    return new VectorStoreUnavailable(cause);
  }
  return error;
}

/** A mistake of the calling code, caught before it can mix tenants or documents. */
export class InvalidPoints extends Error {
  override readonly name = 'InvalidPoints';
}

/** Names become directories and identifiers in the stores, so only harmless ones get that far. */
export class InvalidCollectionName extends Error {
  override readonly name = 'InvalidCollectionName';

  constructor() {
    super('A collection name has 1 to 255 of the characters a-z, 0-9, _ and -.');
  }
}

/** A write to a collection that was never created or has been dropped meanwhile. */
export class CollectionMissing extends Error {
  override readonly name = 'CollectionMissing';

  constructor(collection: string) {
    super(`The collection "${collection}" does not exist.`);
  }
}
