import { types } from 'node:util';
import { failureOnTheWay, VectorServerFailure } from './remote-failure.js';
import type { VectorServerFailureCode } from './remote-failure.js';

/** By SQLSTATE, or by its class of two characters (PostgreSQL, appendix A). */
const BY_STATE: Readonly<Record<string, VectorServerFailureCode>> = {
  '28': 'unauthorized',
  '42501': 'unauthorized',
  '57014': 'timeout',
  '57P01': 'refused',
  '57P02': 'refused',
  '57P03': 'refused',
  '53300': 'refused',
  '08': 'refused',
};
const STATE = /^[0-9A-Z]{5}$/;

/** What pg itself says has no code. */
const TEXTS: readonly [RegExp, VectorServerFailureCode][] = [
  [/timeout/i, 'timeout'],
  [/does not support SSL|establishing an SSL connection/, 'tls'],
  [/password|SASL|SCRAM/, 'unauthorized'],
  [/Connection terminated|connection error and is not queryable/, 'refused'],
];

export function isUndefinedTable(error: unknown): boolean {
  return stateOf(error) === '42P01';
}

/** @throws VectorServerFailure for what went wrong at the server or on the way; the error itself when it tells of a table that is gone */
export function rejectAsServerFailure(error: unknown): never {
  if (isUndefinedTable(error)) throw error;
  const [state, text] = [stateOf(error), types.isNativeError(error) ? error.message : String(error)];
  const code = state === undefined ? TEXTS.find(([pattern]) => pattern.test(text))?.[1] : (BY_STATE[state] ?? BY_STATE[state.slice(0, 2)] ?? 'unexpected');
  throw code ? new VectorServerFailure(code, `PostgreSQL: ${text}`, { cause: error }) : failureOnTheWay('PostgreSQL', error);
}

/** Only of PostgreSQL's own errors, which have a severity as well. */
function stateOf(error: unknown): string | undefined {
  if (!types.isNativeError(error) || !('code' in error) || !('severity' in error)) return undefined;
  return typeof error.code === 'string' && STATE.test(error.code) ? error.code : undefined;
}
