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

export class UserNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such user.' });
  }
}

/** Nobody would be left to undo it. */
export class LastAdministrator extends AppError {
  constructor() {
    super({ status: 409, code: 'last_administrator', title: 'Last administrator', detail: 'This is the last active administrator. Make another one first.' });
  }
}
