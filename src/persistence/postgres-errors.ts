import { QueryFailedError, QueryRunnerAlreadyReleasedError, QueryRunnerProviderAlreadyReleasedError } from 'typeorm';
import { errorCode, errorMessage } from '../common/error-code.js';
import { ServiceUnavailable, MalformedRequest } from '../common/request-errors.js';

/** Connection lost, refused or full: PostgreSQL classes 08, 53 and 57P, and the socket errors of Node; or given up, so that somebody else could go on (40001, 40P01). */
const AWAY = /^(40001|40P01|08\d{3}|53\d{3}|57P0[1-5]|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN)$/;
/** node-postgres gives these no code. */
const AWAY_MESSAGES = /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error|pool is draining|Cannot use a pool after calling end/i;
/** Text that PostgreSQL cannot hold: NUL, or a lone surrogate; the latter within JSON is a mere 22P02 and told by its message. */
const UNSTORABLE_TEXT = /^(22021|22P05)$/;

/** The database is away or out of connections. Nothing was changed. */
export class DatabaseUnavailable extends ServiceUnavailable {
  constructor(cause: unknown) {
    super('database_unavailable', 'The database does not answer. Nothing was changed; try again in a moment.', 1, { cause });
  }
}

export class UnstorableText extends MalformedRequest {
  constructor() {
    super('A text contains a NUL or an unpaired surrogate, which cannot be stored.');
  }
}

function codeOf(error: unknown): string {
  const cause: unknown = error instanceof QueryFailedError ? error.driverError : error;
  return errorCode(cause);
}

/** Whether the error is a violation of this unique index or constraint. */
export function violates(error: unknown, constraint: string): boolean {
  const cause: unknown = error instanceof QueryFailedError ? error.driverError : error;
  return typeof cause === 'object' && cause !== null && 'constraint' in cause && cause.constraint === constraint;
}

/** TypeORM lets go of a connection that breaks, and the next query of the transaction is told so. */
function lostConnection(error: unknown): boolean {
  return error instanceof QueryRunnerAlreadyReleasedError || error instanceof QueryRunnerProviderAlreadyReleasedError;
}

/** Errors that say nothing about the work itself become ones a client can act on; all others stay as they are. */
export function translatePostgresError(error: unknown): unknown {
  const code = codeOf(error);
  if (AWAY.test(code) || lostConnection(error) || AWAY_MESSAGES.test(errorMessage(error))) return new DatabaseUnavailable(error);
  if (UNSTORABLE_TEXT.test(code) || (code === '22P02' && errorMessage(error).includes('for type json'))) return new UnstorableText();
  return error;
}
