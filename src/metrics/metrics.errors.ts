import { AppError } from '../common/errors.js';

/** The same as an address that does not exist: whoever lacks the token need not know that there is something. */
export class MetricsHidden extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is nothing at this address.' });
  }
}
