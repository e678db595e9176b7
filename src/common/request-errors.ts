import { AppError } from './errors.js';

export interface FieldError {
  /** Dotted path of the field on the wire, such as `items.0.title`. */
  field: string;
  message: string;
}

/** Whoever has mended so many of them is told of the others. */
const MAX_ERRORS = 100;

/** The request could be read, but a field of it is missing, unknown or out of range. */
export class ValidationFailed extends AppError {
  constructor(all: FieldError[]) {
    const errors = all.slice(0, MAX_ERRORS);
    const fields = errors.map((error) => error.field).join(', ');
    super({ status: 400, code: 'validation_failed', title: 'Invalid request', detail: `Check these fields: ${fields}.`, members: { errors } });
  }
}

/** The request itself is not what HTTP, JSON or multipart say it should be. */
export class MalformedRequest extends AppError {
  constructor(detail: string) {
    super({ status: 400, code: 'malformed_request', title: 'Malformed request', detail });
  }
}

/** A cursor that we did not mint for this tenant and this list. */
export class InvalidCursor extends AppError {
  constructor() {
    super({
      status: 400,
      code: 'invalid_cursor',
      title: 'Invalid cursor',
      detail: 'The cursor does not belong to this list. Start again without one, and keep the filters while paging.',
    });
  }
}

/** A file or body beyond a configured limit. */
export class PayloadTooLarge extends AppError {
  constructor(limit: string) {
    super({ status: 413, code: 'payload_too_large', title: 'Payload too large', detail: `The limit is ${limit}.` });
  }
}

/** What was begun did not come whole in time (RFC 9110, 15.5.9). The rest may still be under way, so the connection is of no more use. */
export class TooSlow extends AppError {
  constructor() {
    super({ status: 408, code: 'request_timeout', title: 'Request Timeout', detail: 'The request did not come whole in time.', retryable: true, headers: { Connection: 'close' } });
  }
}

export class HeadersTooLarge extends AppError {
  constructor() {
    super({ status: 431, code: 'headers_too_large', title: 'Request Header Fields Too Large', detail: 'The address and the headers are too large together.' });
  }
}

export class ExpectationFailed extends AppError {
  constructor() {
    super({ status: 417, code: 'expectation_failed', title: 'Expectation Failed', detail: 'Of expectations only 100-continue is known here.' });
  }
}

/** No method of HTTP, for any address (RFC 9110, 15.6.2). */
export class MethodUnknown extends AppError {
  constructor() {
    super({ status: 501, code: 'not_implemented', title: 'Not Implemented', detail: 'There is no such method.' });
  }
}

export class UnsupportedMediaType extends AppError {
  constructor(detail: string, code = 'unsupported_media_type') {
    super({ status: 415, code, title: 'Unsupported media type', detail });
  }
}

/** Something this process depends on does not answer; the same request may succeed in a moment. */
export class ServiceUnavailable extends AppError {
  constructor(code: string, detail: string, retryAfterSeconds = 1, options?: ErrorOptions) {
    const headers = { 'Retry-After': String(retryAfterSeconds) };
    super({ status: 503, code, title: 'Service unavailable', detail, retryable: true, headers }, options);
  }
}
