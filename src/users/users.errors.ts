import { AppError } from '../common/errors.js';

export class EmailTaken extends AppError {
  constructor() {
    super({ status: 409, code: 'email_taken', title: 'E-mail taken', detail: 'An account with this e-mail address exists. Sign in, or use another address.' });
  }
}
