import { AppError } from '../common/errors.js';

/** What it made would be out of its own reach. */
export class BoundToDatabases extends AppError {
  constructor() {
    super({ status: 403, code: 'insufficient_scope', title: 'Bound to databases', detail: 'This key is bound to certain databases and cannot make another.' });
  }
}

export class DatabaseNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such database.' });
  }
}

export class DatabaseNameTaken extends AppError {
  constructor(name: string) {
    super({ status: 409, code: 'name_taken', title: 'Name taken', detail: `A database named "${name}" exists. Choose another name.` });
  }
}

export class DatabaseInUse extends AppError {
  constructor() {
    super({ status: 409, code: 'resource_in_use', title: 'Database in use', detail: 'The database still holds documents. Delete them first, or delete all of it with ?cascade=true. What was deleted just now is gone in a moment.' });
  }
}

/** Two models' vectors cannot be compared, so nothing is written or searched with the wrong one. */
export class EmbeddingModelChanged extends AppError {
  constructor(stored: string, configured: string) {
    super({
      status: 409,
      code: 'embedding_model_changed',
      title: 'Embedding model changed',
      detail: `The database was made with the embedding model "${stored}", the server now runs "${configured}". Reindex the database (POST /api/v1/databases/{id}/reindex), or run the server with the former.`,
    });
  }
}

/** What an attempt wrote is in a collection that a reindex has replaced meanwhile; the next attempt writes into the new one. */
export class CollectionReplaced extends AppError {
  constructor() {
    super({ status: 409, code: 'collection_replaced', title: 'Collection replaced', detail: 'The database was reindexed meanwhile. It is done again, with its new model.', retryable: true });
  }
}

export class DatabaseServerNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such database server.' });
  }
}

/** Switched off by its owner; nothing on it is read or written meanwhile. */
export class DatabaseServerInactive extends AppError {
  constructor(name: string) {
    super({ status: 409, code: 'server_inactive', title: 'Database server switched off', detail: `The database server "${name}" is switched off. Set its is_active to true.` });
  }
}

export class DistanceNotSupported extends AppError {
  constructor(distance: string, supported: readonly string[]) {
    super({ status: 422, code: 'distance_not_supported', title: 'Distance not supported', detail: `The database server does not compare vectors by ${distance} distance, but by ${supported.join(' or ')}.` });
  }
}

export class DimensionsNotSupported extends AppError {
  constructor(dimensions: number, most: number) {
    super({ status: 422, code: 'dimensions_not_supported', title: 'Too many dimensions', detail: `The database server keeps vectors of ${most} dimensions at most, not ${dimensions}. Choose a model with fewer.` });
  }
}

export class InvalidDatabaseChunking extends AppError {
  constructor(size: number, overlap: number) {
    super({ status: 422, code: 'invalid_chunking', title: 'Invalid chunking', detail: `chunk_overlap must be smaller than chunk_size; they would be ${overlap} and ${size}.` });
  }
}

export class ReindexRunning extends AppError {
  constructor() {
    super({ status: 409, code: 'reindex_running', title: 'Reindex running', detail: 'The database is being reindexed already. Wait until it is done, or cancel it with DELETE on the same path.' });
  }
}

export class ReindexNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'The database was never reindexed.' });
  }
}

export class ReindexNotRunning extends AppError {
  constructor(status: string) {
    super({ status: 409, code: 'illegal_transition', title: 'Not running', detail: `The reindex is ${status}, so there is nothing to cancel.`, members: { allowed: [] } });
  }
}
