import { AppError } from '../../common/errors.js';
import { ServiceUnavailable } from '../../common/request-errors.js';
import type { ExtractionFailed } from './extraction-failed.js';

/** The address was reached, and answered something else than a page. */
export class UrlAnswered extends AppError {
  /** @param urlStatus a redirect, when there were more of them than are followed */
  constructor(urlStatus: number) {
    const detail = urlStatus >= 300 && urlStatus < 400 ? 'redirects again and again' : `answered ${urlStatus} instead of a document`;
    const retryable = urlStatus === 408 || urlStatus === 429 || urlStatus >= 500;
    super({ status: 422, code: 'url_answered', title: 'URL gives no document', detail: `The URL ${detail}. Nothing was kept.`, retryable, members: { url_status: urlStatus } });
  }
}

/** Half a document is none. */
export class UrlBrokeOff extends AppError {
  constructor(cause: unknown) {
    const detail = 'The URL ended its answer before it was complete. Nothing was kept; send it again.';
    super({ status: 502, code: 'url_broke_off', title: 'Response incomplete', detail, retryable: true }, { cause });
  }
}

export class DownloadsBusy extends ServiceUnavailable {
  constructor() {
    super('downloads_busy', 'This server is fetching as many URLs as it may at once. Try again in a few seconds.', 5);
  }
}

export class BatchNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such batch.' });
  }
}

export class BatchOutOfTime extends AppError {
  constructor(seconds: number) {
    const detail = `The URLs of this batch were not all there after ${seconds} seconds, and this one was among those that were not. Send it again.`;
    super({ status: 504, code: 'batch_out_of_time', title: 'Batch took too long', detail, retryable: true });
  }
}

export class ConversionsBusy extends ServiceUnavailable {
  constructor() {
    super('conversions_busy', 'This server is converting as many files as it may at once. Try again in a few seconds, or ingest the file, which waits for its turn.', 5);
  }
}

/** What would be a failed document, had it been ingested; `code` is the same. */
export class ConversionFailed extends AppError {
  constructor({ code, message, permanent }: ExtractionFailed) {
    const isOfType = code === 'unsupported_type' || code === 'type_mismatch';
    super({ status: isOfType ? 415 : permanent ? 422 : 503, code, title: 'File cannot be converted', detail: message, retryable: !permanent });
  }
}
