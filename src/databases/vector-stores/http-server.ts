import { isIPv6 } from 'node:net';
import { types } from 'node:util';
import type { Outbound } from '../../outbound/outbound.js';
import { UrlNotAllowed, UrlTimedOut } from '../../outbound/outbound.errors.js';
import { VectorServerFailure, type VectorServerFailureCode } from './remote-failure.js';

/** Far more than a server needs to say who it is. */
const MAX_ANSWER_BYTES = 64 * 1024;

const CODES: Readonly<Record<string, VectorServerFailureCode>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  EPIPE: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  UND_ERR_SOCKET: 'refused',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  EPROTO: 'tls',
};
/** Of Node's and OpenSSL's errors: `DEPTH_ZERO_SELF_SIGNED_CERT`, `ERR_TLS_CERT_ALTNAME_INVALID`, `ERR_SSL_WRONG_VERSION_NUMBER`, … */
const TLS_CODE = /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/;

export interface HttpServerOptions {
  host: string;
  port: number;
  tls: boolean;
  headers: Record<string, string>;
  outbound: Pick<Outbound, 'fetch'>;
  signal: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  /** undefined when it is no JSON. */
  json: unknown;
}

/** A server that speaks HTTP, while it is asked who it is: small answers, no redirects, and one kind of failure. */
export class HttpServer {
  private readonly origin: string;

  constructor(private readonly options: HttpServerOptions) {
    const { host, port, tls } = options;
    this.origin = `${tls ? 'https' : 'http'}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  }

  /** @throws VectorServerFailure for what is no answer, and for one that refuses the credentials */
  async get(path: string): Promise<HttpAnswer> {
    const { headers, outbound, signal } = this.options;
    try {
      const response = await outbound.fetch(`${this.origin}${path}`, { headers: { accept: 'application/json', ...headers }, signal, maxBytes: MAX_ANSWER_BYTES });
      const text = await response.text();
      if (response.status === 401 || response.status === 403) throw new VectorServerFailure('unauthorized', `${response.status} for ${path}`);
      return { status: response.status, json: parsed(text) };
    } catch (error) {
      if (error instanceof VectorServerFailure) throw error;
      throw new VectorServerFailure(signal.aborted ? 'timeout' : codeOf(error), 'What the server sends is no answer that could be read. Check host and port.', { cause: error });
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function codeOf(error: unknown): VectorServerFailureCode {
  if (error instanceof UrlTimedOut) return 'timeout';
  if (error instanceof UrlNotAllowed) return error.transient ? codeOf(error.cause) : 'not_allowed';
  if (!types.isNativeError(error)) return 'unexpected';
  // One attempt an address, all of which failed.
  if ('errors' in error && Array.isArray(error.errors) && error.errors.length > 0) return codeOf(error.errors[0]);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return CODES[code] ?? (TLS_CODE.test(code) ? 'tls' : 'unexpected');
}
