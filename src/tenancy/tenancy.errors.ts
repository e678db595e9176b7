import { AppError } from '../common/errors.js';
import type { Resource } from './quota.entity.js';

export class TenantNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such tenant.' });
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
