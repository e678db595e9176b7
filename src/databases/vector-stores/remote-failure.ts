import { types } from 'node:util';
import { UrlNotAllowed, UrlTimedOut } from '../../outbound/outbound.errors.js';

export type VectorServerFailureCode = 'refused' | 'timeout' | 'unauthorized' | 'wrong_version' | 'tls' | 'not_allowed' | 'unexpected';

/** Why a vector database server could not be used. */
export class VectorServerFailure extends Error {
  override readonly name = 'VectorServerFailure';

  constructor(
    readonly code: VectorServerFailureCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const BY_ERROR_CODE: Readonly<Record<string, WayCode>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  EPIPE: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  ENOTFOUND: 'refused',
  EAI_AGAIN: 'refused',
  UND_ERR_SOCKET: 'refused',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  EPROTO: 'tls',
};
/** Of Node's and OpenSSL's errors: `DEPTH_ZERO_SELF_SIGNED_CERT`, `ERR_TLS_CERT_ALTNAME_INVALID`, `ERR_SSL_WRONG_VERSION_NUMBER`, … */
const TLS_CODE = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/;

const BY_STATUS: Readonly<Record<number, VectorServerFailureCode>> = { 401: 'unauthorized', 403: 'unauthorized', 408: 'timeout', 502: 'refused', 503: 'refused', 504: 'timeout' };

/** What can go wrong before there is an answer. */
type WayCode = Exclude<VectorServerFailureCode, 'unauthorized' | 'wrong_version'>;

const ON_THE_WAY: Readonly<Record<WayCode, (product: string) => string>> = {
  refused: (product) => `There is no ${product} server at this address, or it takes no connections. Check host and port, and whether it runs.`,
  timeout: (product) => `The ${product} server did not answer in time.`,
  tls: (product) => `No secure connection to the ${product} server: it speaks no TLS, or its certificate is not accepted.`,
  not_allowed: (product) => `The address of this ${product} server may not be used here. The operator allows private addresses with OUTBOUND_ALLOW.`,
  unexpected: (product) => `The connection to the ${product} server failed.`,
};

/** What became of a request to which there was no answer, or none that could be read to its end. */
export function failureOnTheWay(product: string, error: unknown): VectorServerFailure {
  const code = codeOf(error);
  return new VectorServerFailure(code, ON_THE_WAY[code](product), { cause: error });
}

/** An answer over HTTP that says no. @param detail in the server's own words */
export function failureOfStatus(product: string, status: number, detail: string): VectorServerFailure {
  return new VectorServerFailure(BY_STATUS[status] ?? 'unexpected', `${product} answered ${status}: ${detail.slice(0, 500)}`);
}

function codeOf(error: unknown): WayCode {
  if (error instanceof UrlTimedOut) return 'timeout';
  if (error instanceof UrlNotAllowed) return error.transient ? codeOf(error.cause) : 'not_allowed';
  if (!types.isNativeError(error)) return 'unexpected';
  // One attempt an address, all of which failed.
  if ('errors' in error && Array.isArray(error.errors) && error.errors.length > 0) return codeOf(error.errors[0]);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return BY_ERROR_CODE[code] ?? (TLS_CODE.test(code) ? 'tls' : 'unexpected');
}
