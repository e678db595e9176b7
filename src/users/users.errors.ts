import { AppError } from '../common/errors.js';

export class EmailTaken extends AppError {
  constructor() {
    super({ status: 409, code: 'email_taken', title: 'E-mail taken', detail: 'An account with this e-mail address exists. Sign in, or use another address.' });
  }
}

/** Uploads that name no database would have nowhere to go. */
export class NoSuchDefault extends AppError {
  constructor() {
    super({ status: 422, code: 'database_not_found', title: 'No such database', detail: 'default_database must name a database that you have.' });
  }
}
