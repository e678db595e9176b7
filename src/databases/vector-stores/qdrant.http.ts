import type { Schemas } from '@qdrant/js-client-rest';
import type { Outbound } from '../../outbound/outbound.js';
import { failureOfStatus, failureOnTheWay, VectorServerFailure } from './remote-failure.js';
import { requireVersion } from './server-version.js';

export interface QdrantServer {
  /** Such as `https://qdrant.example:6333`, with or without a path before `/collections`. */
  url: string;
  apiKey?: string;
  outbound: Pick<Outbound, 'fetch'>;
  /** Of one request, to the last byte of its answer; 60 s. */
  timeoutMs?: number;
}

/** The first that keeps the points of a tenant together (`is_tenant`); `/points/query` and `idf` are in 1.10. */
const OLDEST = [1, 11] as const;
/** Exists on no server of anybody; only whether one is told about it counts. */
const PROBED = 'morag-connection-test';

/**
 * The part of Qdrant's HTTP API that the store needs, in the types of Qdrant's own client. The client itself calls the platform's `fetch` and takes
 * no other, so it would connect to addresses that nobody has checked.
 */
export class QdrantHttp {
  private readonly root: string;
  private readonly headers: Record<string, string>;

  constructor(private readonly server: QdrantServer) {
    this.root = server.url.replace(/\/+$/, '');
    this.headers = { 'content-type': 'application/json', accept: 'application/json', ...(server.apiKey ? { 'api-key': server.apiKey } : {}) };
  }

  /**
   * Makes sure that the server is a Qdrant, new enough, and talks to us about collections: its version it tells everybody.
   * @throws VectorServerFailure
   */
  async version(): Promise<string> {
    const info = await this.send<Partial<Schemas['VersionInfo']>>('GET', '/');
    const version = requireVersion('Qdrant', /qdrant/i.test(info?.title ?? '') ? info?.version : undefined, OLDEST);
    await this.result('GET', `/collections/${PROBED}/exists`);
    return version;
  }

  async names(): Promise<string[]> {
    const answer = await this.result<Schemas['CollectionsResponse']>('GET', '/collections');
    return (answer?.collections ?? []).map(({ name }) => name);
  }

  /** @returns undefined when the collection does not exist */
  collection(name: string): Promise<Schemas['CollectionInfo'] | undefined> {
    return this.result('GET', `/collections/${name}`);
  }

  /** Does nothing when the collection exists, as whatever. */
  async create(name: string, collection: Schemas['CreateCollection']): Promise<void> {
    await this.result('PUT', `/collections/${name}`, collection, 409);
  }

  async createIndex(name: string, index: Schemas['CreateFieldIndex']): Promise<void> {
    await this.result('PUT', `/collections/${name}/index?wait=true`, index);
  }

  async drop(name: string): Promise<void> {
    await this.result('DELETE', `/collections/${name}`);
  }

  /**
   * Applies the operations one after the other; when this returns, every search sees them.
   * @returns false when the collection does not exist
   * @throws VectorServerFailure, also when it is not known how far the server has come
   */
  async update(name: string, operations: Schemas['UpdateOperation'][]): Promise<boolean> {
    const results = await this.result<Schemas['UpdateResult'][]>('POST', `/collections/${name}/points/batch?wait=true&ordering=strong`, { operations });
    const late = results?.find(({ status }) => status !== 'completed');
    if (late) throw new VectorServerFailure('timeout', `Qdrant has taken a write and not finished it in time (${late.status}).`);
    return results !== undefined;
  }

  /** @returns what each question finds; nothing for one that is undefined, and for all when the collection does not exist */
  async query(name: string, questions: (Schemas['QueryRequest'] | undefined)[]): Promise<Schemas['ScoredPoint'][][]> {
    const searches = questions.filter((question) => question !== undefined);
    if (searches.length === 0) return questions.map(() => []);
    const answers = await this.result<Schemas['QueryResponse'][]>('POST', `/collections/${name}/points/query/batch`, { searches });
    return questions.map((question) => (question ? answers?.shift()?.points : undefined) ?? []);
  }

  /** @returns undefined when the collection does not exist */
  async count(name: string, filter: Schemas['Filter']): Promise<number | undefined> {
    return (await this.result<Schemas['CountResult']>('POST', `/collections/${name}/points/count`, { filter, exact: true }))?.count;
  }

  private async result<T>(method: string, path: string, body?: object, absent?: number): Promise<T | undefined> {
    const answer = await this.send<{ result?: T }>(method, path, body, absent);
    if (answer && answer.result === undefined) throw noQdrant();
    return answer?.result;
  }

  /**
   * @param absent the status of an answer that is none
   * @throws VectorServerFailure
   */
  private async send<T>(method: string, path: string, body?: object, absent = 404): Promise<T | undefined> {
    const { outbound, timeoutMs = 60_000 } = this.server;
    const init = { method, headers: this.headers, totalTimeoutMs: timeoutMs, ...(body ? { body: JSON.stringify(body) } : {}) };
    let status: number;
    let text: string;
    try {
      const response = await outbound.fetch(`${this.root}${path}`, init);
      status = response.status;
      text = await response.text();
    } catch (error) {
      throw failureOnTheWay('Qdrant', error);
    }
    const answer = parsed(text);
    if (status === 200 && answer) return answer as T;
    // Anything may answer 404, and what is no Qdrant must not pass for one that is empty.
    if (status === absent && answer?.status?.error !== undefined) return undefined;
    if (status === 200 || status === 404) throw noQdrant();
    throw failureOfStatus('Qdrant', status, answer?.status?.error ?? 'without saying why');
  }
}

function noQdrant(): VectorServerFailure {
  return new VectorServerFailure('unexpected', 'What answers at this address is no Qdrant. Check host and port.');
}

function parsed(text: string): { status?: { error?: string } } | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null ? json : undefined;
  } catch {
    return undefined;
  }
}
