import { AppError } from '../common/errors.js';
import type { Resource } from './quota.entity.js';

export class TenantNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such tenant.' });
  }
}

/** It is being removed, and nothing about it can be changed any more. */
export class TenantBeingPurged extends AppError {
  constructor() {
    super({ status: 409, code: 'tenant_purging', title: 'Tenant is being purged', detail: 'Everything of this tenant is being removed. It cannot be changed any more.' });
  }
}

/** The same answer as for any other database that does not exist: a foreign one looks like none. */
export class DefaultDatabaseNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such database.' });
  }
}

export class DefaultDatabaseContradicted extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'default_database_contradicted',
      title: 'Two default databases',
      detail: 'default_database_id and default_collection_name name two different databases. Send one of them.',
    });
  }
}

export class InvalidDefaultChunking extends AppError {
  constructor(chunkSize: number, chunkOverlap: number) {
    super({
      status: 422,
      code: 'invalid_chunking',
      title: 'Invalid chunking',
      detail: `default_chunk_overlap must be smaller than default_chunk_size; they would be ${chunkOverlap} and ${chunkSize}.`,
    });
  }
}

export interface QuotaRefusal {
  resource: Resource;
  limit: number;
  used: number;
  requested: number;
}

/** Taking this much would pass the tenant's limit. Nothing was taken. */
export class QuotaExceeded extends AppError {
  constructor(refusal: QuotaRefusal) {
    super({
      status: 429,
      code: 'quota_exceeded',
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Quota exceeded',
      detail: `${refusal.resource}: ${refusal.used} of ${refusal.limit} are in use and ${refusal.requested} more were asked for. Delete something, or ask the administrator for a higher limit.`,
      members: { ...refusal },
    });
  }
}
