import { AppError } from '../common/errors.js';

/** Neither a quoted string (RFC 9651, §3.3.3) nor a bare one, empty or too long. */
export class MalformedIdempotencyKey extends AppError {
  constructor(maxChars: number) {
    super({
      status: 400,
      code: 'malformed_idempotency_key',
      title: 'Malformed Idempotency-Key',
      detail: `Idempotency-Key must be one string of 1 to ${maxChars} visible ASCII characters, best in double quotes, such as "8e03978e-40d5-43dd-bc93-6894a57f9324".`,
    });
  }
}

/** The first request with the key has not been answered yet, or another process has taken it over. */
export class IdempotencyKeyInFlight extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'idempotency_key_in_flight',
      title: 'Still running',
      detail: 'A request with this Idempotency-Key is still being worked on. Send it again in a moment to get its answer.',
      retryable: true,
      headers: { 'Retry-After': '1' },
    });
  }
}

/** The key stands for another request. */
export class IdempotencyKeyReused extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'idempotency_key_reused',
      title: 'Idempotency-Key used before',
      detail: 'This Idempotency-Key was sent with another request, or by a credential that is bound to other databases. Use a new key for a new request.',
    });
  }
}
