import { AppError } from '../common/errors.js';

/**
 * One answer for a blocked, an unknown and an unreachable address, so that nobody can map a network with it.
 * Which of them it was is in `cause` and `transient`, for logs and retries; neither goes on the wire.
 */
export class UrlNotAllowed extends AppError {
  /** Whether the same call may succeed later: the host was allowed but did not answer. */
  readonly transient: boolean;

  constructor(options: { transient?: boolean; cause?: unknown } = {}) {
    super({
      status: 422,
      code: 'url_not_allowed',
      title: 'URL not allowed',
      detail: 'The URL cannot be reached, or may not be used here.',
    });
    this.transient = options.transient ?? false;
    this.cause = options.cause;
  }
}

/** A body that outgrew the caller's cap, counted after decompression. */
export class UrlTooLarge extends AppError {
  constructor(maxBytes: number) {
    super({
      status: 422,
      code: 'url_too_large',
      title: 'Response too large',
      detail: `The URL answered with more than ${maxBytes} bytes.`,
      members: { max_bytes: maxBytes },
    });
  }
}

/** A host that was reached but did not finish within the total time. */
export class UrlTimedOut extends AppError {
  constructor(timeoutMs: number) {
    super({
      status: 504,
      code: 'url_timed_out',
      title: 'Response took too long',
      detail: `The URL did not answer completely within ${timeoutMs} ms.`,
      retryable: true,
    });
  }
}
