import { AppError } from '../common/errors.js';

/** Whoever asks would be gone before the answer. */
export class OwnTenant extends AppError {
  constructor() {
    super({ status: 409, code: 'own_tenant', title: 'Your own tenant', detail: 'This is your own tenant. Another administrator can purge it.' });
  }
}
