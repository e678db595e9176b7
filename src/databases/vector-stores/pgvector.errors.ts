import { types } from 'node:util';
import { UrlNotAllowed } from '../../outbound/outbound.errors.js';
import { VectorServerFailure } from './remote-failure.js';
import type { VectorServerFailureCode } from './remote-failure.js';

/** By SQLSTATE, or by its class of two characters (PostgreSQL, appendix A), or by the code of Node's own errors. */
const CODES: Record<string, VectorServerFailureCode> = {
  '28': 'unauthorized',
  '42501': 'unauthorized',
  '57014': 'timeout',
  '57P01': 'refused',
  '57P02': 'refused',
  '57P03': 'refused',
  '53300': 'refused',
  '08': 'refused',
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  EPIPE: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  ETIMEDOUT: 'timeout',
};

const TLS_CODE = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/;
const NOT_ALLOWED = 'The address of this PostgreSQL server may not be used here.';

/** What pg itself says has no code. */
const TEXTS: [RegExp, VectorServerFailureCode][] = [
  [/timeout/i, 'timeout'],
  [/does not support SSL|SSL connection|certificate|altnames/i, 'tls'],
  [/password|SASL|SCRAM/, 'unauthorized'],
  [/Connection terminated|connection error and is not queryable/, 'refused'],
];

export function isUndefinedTable(error: unknown): boolean {
  return codeOf(error) === '42P01';
}

/** @throws VectorServerFailure for what went wrong at the server or on the way; the error itself when it tells of a table that is gone */
export function rejectAsServerFailure(error: unknown): never {
  if (isUndefinedTable(error)) throw error;
  const code = kindOf(error);
  throw new VectorServerFailure(code, code === 'not_allowed' ? NOT_ALLOWED : `PostgreSQL: ${types.isNativeError(error) ? error.message : String(error)}`, { cause: error });
}

function kindOf(error: unknown): VectorServerFailureCode {
  if (error instanceof UrlNotAllowed) return error.transient ? 'refused' : 'not_allowed';
  // One attempt an address, all of which failed.
  if (types.isNativeError(error) && 'errors' in error && Array.isArray(error.errors) && error.errors.length > 0) return kindOf(error.errors[0]);
  const code = codeOf(error);
  if (code !== undefined) return CODES[code] ?? CODES[code.slice(0, 2)] ?? (TLS_CODE.test(code) ? 'tls' : 'unexpected');
  return TEXTS.find(([text]) => text.test(String(error)))?.[1] ?? 'unexpected';
}

function codeOf(error: unknown): string | undefined {
  return types.isNativeError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
