import { AppError } from '../common/errors.js';

/** A key sends faster than it may. */
export class RateLimited extends AppError {
  constructor(limit: number, retryAfterSeconds: number) {
    super({
      status: 429,
      code: 'rate_limited',
      title: 'Too many requests',
      detail: `This API key may send ${limit} requests an hour. Wait ${retryAfterSeconds} s.`,
      retryable: true,
      headers: { 'Retry-After': String(retryAfterSeconds) },
    });
  }
}

/** The tenant has used up its calls of the hour, whoever made them. */
export class HourlyCallsExceeded extends AppError {
  constructor(limit: number, used: number, retryAfterSeconds: number) {
    super({
      status: 429,
      code: 'quota_exceeded',
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Quota exceeded',
      detail: `api_calls_per_hour: ${used} of ${limit} are used. Wait ${retryAfterSeconds} s, or ask the administrator for a higher limit.`,
      headers: { 'Retry-After': String(retryAfterSeconds) },
      members: { resource: 'api_calls_per_hour', limit, used, requested: 1 },
    });
  }
}
