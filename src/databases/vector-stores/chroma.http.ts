import type { Outbound } from '../../outbound/outbound.js';
import { failureOfStatus, failureOnTheWay, VectorServerFailure } from './remote-failure.js';
import { requireVersion } from './server-version.js';

export interface ChromaServer {
  /** Of the server, with or without a path before `/api`. */
  url: string;
  apiKey?: string;
  /** Chroma's own tenant, which has nothing to do with ours; `default_tenant` */
  tenant?: string;
  /** `default_database` */
  database?: string;
  outbound: Pick<Outbound, 'fetch'>;
  /** Of one request, to the last byte of its answer; 60 s. */
  timeoutMs?: number;
}

/** The first whose collections have a `configuration`. */
const OLDEST = [1, 0] as const;

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
    this.root = `${server.url.replace(/\/+$/, '')}/api`;
    this.database = `/v2/tenants/${encodeURIComponent(tenant)}/databases/${encodeURIComponent(database)}`;
    // Chroma's cloud reads the first, a proxy before a server of one's own usually the second.
    const credentials = { 'x-chroma-token': apiKey ?? '', authorization: `Bearer ${apiKey}` };
    this.headers = { 'content-type': 'application/json', ...(apiKey ? credentials : {}) };
  }

  /**
   * Makes sure that the server is there, new enough and has the database.
   * @returns its version, and how many records it takes at once
   * @throws VectorServerFailure
   */
  async check(): Promise<{ version: string; maxBatch: number }> {
    // What came before 1.0 has another interface, which tells its version as well.
    const said = (await this.send('GET', '/v2/version')) ?? (await this.send('GET', '/v1/version'));
    const version = requireVersion('Chroma', said, OLDEST);
    if ((await this.send('GET', this.database)) === undefined) throw new VectorServerFailure('unexpected', 'Chroma has no such tenant or database. Create it there, or name another one.');
    const limits = await this.send<{ max_batch_size?: number }>('GET', '/v2/pre-flight-checks');
    return { version, maxBatch: limits?.max_batch_size ?? Number.POSITIVE_INFINITY };
  }

  /**
   * Calls one of the database's collections, or all of them.
   * @param path behind `/collections`
   * @returns undefined when the collection does not exist
   * @throws VectorServerFailure
   */
  collections<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<T | undefined> {
    return this.send<T>(method, `${this.database}/collections${path}`, body);
  }

  /** @returns undefined where Chroma itself says that there is no such thing */
  private async send<T>(method: string, path: string, body?: object): Promise<T | undefined> {
    const { outbound, timeoutMs = 60_000 } = this.server;
    const init = { method, headers: this.headers, totalTimeoutMs: timeoutMs, ...(body ? { body: JSON.stringify(body) } : {}) };
    const { status, text } = await outbound
      .fetch(`${this.root}${path}`, init)
      .then(async (response) => ({ status: response.status, text: await response.text() }))
      .catch((error: unknown) => {
        throw failureOnTheWay('Chroma', error);
      });
    const answer = parsed(text);
    if (status === 200 && answer !== undefined) return answer as T;
    // Anything may answer 404, and what is no Chroma must not pass for one that is empty. Its versions before 1.0 say `detail`.
    if (status === 404 && typeof answer === 'object' && answer !== null && ('error' in answer || 'detail' in answer)) return undefined;
    if (status === 200 || status === 404) throw new VectorServerFailure('unexpected', 'What answers at this address is no Chroma. Check host and port.');
    // Only what is said as Chroma says it, not the page of whoever else answers.
    const said = typeof answer === 'object' && answer !== null && 'message' in answer && typeof answer.message === 'string' ? answer.message : 'without saying why';
    throw failureOfStatus('Chroma', status, said);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
