import { types } from 'node:util';
import type { Outbound } from '../../outbound/outbound.js';
import { UrlNotAllowed, UrlTimedOut } from '../../outbound/outbound.errors.js';
import { VectorServerFailure } from './remote-failure.js';
import type { VectorServerFailureCode } from './remote-failure.js';

export interface ChromaServer {
  /** Of the server, with or without a path before `/api`. */
  url: string;
  apiKey?: string;
  /** Chroma's own tenant, which has nothing to do with ours; `default_tenant` */
  tenant?: string;
  /** `default_database` */
  database?: string;
  outbound: Pick<Outbound, 'fetch'>;
}

/** The first whose collections have a `configuration`. */
const OLDEST_MAJOR = 1;
const BY_STATUS: Record<number, VectorServerFailureCode> = { 401: 'unauthorized', 403: 'unauthorized', 408: 'timeout', 504: 'timeout' };

/**
 * The part of Chroma's HTTP API (version 2) that the store needs. Chroma's own client calls the platform's `fetch` and takes no other, so it
 * would connect to addresses that nobody has checked; it also brings a whole server of 50 MB.
 */
export class ChromaHttp {
  private readonly root: string;
  private readonly database: string;
  private readonly headers: Record<string, string>;

  constructor(private readonly server: ChromaServer) {
    const { tenant = 'default_tenant', database = 'default_database', apiKey } = server;
    this.root = `${server.url.replace(/\/+$/, '')}/api/v2`;
    this.database = `/tenants/${encodeURIComponent(tenant)}/databases/${encodeURIComponent(database)}`;
    // Chroma's cloud reads the first, a proxy before a server of one's own usually the second.
    const credentials = { 'x-chroma-token': apiKey ?? '', authorization: `Bearer ${apiKey}` };
    this.headers = { 'content-type': 'application/json', ...(apiKey ? credentials : {}) };
  }

  /**
   * Makes sure that the server is there, new enough and has the database.
   * @returns how many records it takes at once
   * @throws VectorServerFailure
   */
  async check(): Promise<{ maxBatch: number }> {
    const version = await this.send<string>('GET', '/version');
    if (typeof version !== 'string' || !(Number.parseInt(version, 10) >= OLDEST_MAJOR)) {
      throw new VectorServerFailure('wrong_version', `There is no Chroma 1.0 or newer at this address (its version: ${JSON.stringify(version)?.slice(0, 100) ?? 'none'}).`);
    }
    if ((await this.send('GET', this.database)) === undefined) throw new VectorServerFailure('unexpected', 'Chroma has no such tenant or database. Create it there, or name another one.');
    const limits = await this.send<{ max_batch_size?: number }>('GET', '/pre-flight-checks');
    return { maxBatch: limits?.max_batch_size ?? Number.POSITIVE_INFINITY };
  }

  /**
   * Calls one of the database's collections, or all of them.
   * @param path behind `/collections`
   * @returns undefined when the collection does not exist
   * @throws VectorServerFailure
   */
  async collections<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<T | undefined> {
    return this.send<T>(method, `${this.database}/collections${path}`, body);
  }

  private async send<T>(method: string, path: string, body?: object): Promise<T | undefined> {
    try {
      const response = await this.server.outbound.fetch(`${this.root}${path}`, { method, headers: this.headers, ...(body ? { body: JSON.stringify(body) } : {}) });
      const text = await response.text();
      if (response.ok) return JSON.parse(text) as T;
      if (response.status === 404) return undefined;
      throw failureOf(response.status, text);
    } catch (error) {
      throw asServerFailure(error);
    }
  }
}

function failureOf(status: number, text: string): VectorServerFailure {
  return new VectorServerFailure(BY_STATUS[status] ?? 'unexpected', `Chroma answered ${status}: ${text.slice(0, 500)}`);
}

function asServerFailure(cause: unknown): unknown {
  if (cause instanceof UrlTimedOut) return new VectorServerFailure('timeout', 'Chroma did not answer in time.', { cause });
  if (cause instanceof SyntaxError) return new VectorServerFailure('wrong_version', 'What answers at this address is no Chroma: its answers are not JSON.', { cause });
  if (!(cause instanceof UrlNotAllowed)) return cause;
  if (!cause.transient) return new VectorServerFailure('not_allowed', 'The address of this Chroma server may not be used here.', { cause });
  const code = types.isNativeError(cause.cause) && 'code' in cause.cause ? String(cause.cause.code) : '';
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code)) return new VectorServerFailure('tls', `Chroma's certificate is not accepted (${code}).`, { cause });
  return new VectorServerFailure(/TIMEOUT|TIMEDOUT/.test(code) ? 'timeout' : 'refused', 'Chroma cannot be reached under its address.', { cause });
}
