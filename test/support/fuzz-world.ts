import type { WireAnswer } from './answer-check.js';
import { createKey, createTenant, forgetFailedSignIns, ingestText, signIn } from './factories.js';
import type { Operation } from './openapi-operations.js';
import type { FuzzRequest } from './openapi-requests.js';
import { setLimits } from './quotas.js';
import { ADMIN, TestApp } from './test-app.js';

const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';
const ALL = ['read', 'write', 'ingest', 'process', 'search', 'admin'];

/** What an id is of, by the collection before it in a path or by its own name. */
const COLLECTION: Readonly<Record<string, string>> = {
  ingest: 'jobs', status: 'jobs', task_id: 'jobs', job_id: 'jobs', document_id: 'documents', document_ids: 'documents', database_id: 'databases', database_ids: 'databases', default_database_id: 'databases',
  confirm: 'tenants', server_id: 'database-servers', batch_id: 'batch', user_id: 'users', tenant_id: 'tenants',
};
const collectionOf = (name: string): string => COLLECTION[name] ?? COLLECTION[`${name}s`] ?? name;

type Credential = Record<string, string>;

/** One request as it goes over the wire. */
interface WireRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | FormData | undefined;
}

/** Two tenants with something of everything; one of them asks for whatever is made up, and is replaced when that has ruined it. */
export class FuzzWorld {
  private readonly ids = new Map<string, string[]>();
  private foreign: string[] = [];
  private sent = 0;
  private session: Credential = {};
  private key: Credential = {};

  private constructor(
    readonly server: TestApp,
    private readonly admin: Credential,
  ) {}

  static async open(): Promise<FuzzWorld> {
    const server = await TestApp.start();
    const token = await signIn(server.anonymous, ADMIN.email, ADMIN.password);
    const admin = server.anonymous.asUser(token);
    await setLimits(admin, { tenantId: (await admin.get('/api/v1/tenant/info')).body.tenant_id }, { api_calls_per_hour: null });
    const world = new FuzzWorld(server, { authorization: `Bearer ${token}` });
    await world.settle();
    world.foreign = [...world.ids.values()].flat();
    await world.settle();
    return world;
  }

  close(): Promise<void> {
    return this.server.stop();
  }

  /** A tenant with something of everything asks from now on. */
  private async settle(): Promise<void> {
    await forgetFailedSignIns(this.server);
    const tenant = await createTenant(this.server.anonymous);
    const { client } = tenant;
    const admin = this.server.anonymous.asUser(this.admin['authorization']!.slice('Bearer '.length));
    await setLimits(admin, tenant, { api_calls_per_hour: null, documents: null, databases: null, api_keys: null });
    const key = await createKey(client, ALL, { rate_limit_per_hour: 10_000 });
    const database = await client.post('/api/v1/databases', { name: 'pebbles' });
    const document = await ingestText(client, 'Granite', '# Stones\n\nGranite is a coarse-grained rock.', { metadata: { year: 2024, tags: ['rock'] } });
    const { body } = await client.get(`/api/v1/documents/${document}`);
    const batch = await client.post('/api/v1/ingest/batch', { items: [{ title: 'Claws', content: 'Claws are sharp.' }] });
    const victim = await createTenant(this.server.anonymous, 'A victim');
    this.ids.clear();
    const all: Record<string, string> = { documents: document, jobs: body.job_id, databases: database.body.id, 'database-servers': database.body.server_id, 'api-keys': key.id, batch: batch.body.batch_id, users: victim.userId, tenants: victim.tenantId };
    for (const [collection, id] of Object.entries(all)) this.ids.set(collection, [id]);
    this.session = { authorization: `Bearer ${tenant.token}` };
    this.key = { 'x-api-key': key.secret };
  }

  /** Ids of the stranger that are in the text though nobody asked with them. */
  leaksIn(operation: Operation, answer: WireAnswer, sent: string): string[] {
    if (operation.path.startsWith('/admin')) return [];
    return this.foreign.filter((id) => answer.text.includes(id) && !sent.includes(id));
  }

  /** New things are asked about as well, the newest of them. */
  private learn(operation: Operation, answer: WireAnswer): void {
    if (answer.status < 200 || answer.status >= 300 || operation.method !== 'POST' || !answer.headers.get('content-type')?.startsWith('application/json')) return;
    const body = JSON.parse(answer.text) as Record<string, unknown>;
    const own = operation.path.split('/').findLast((part) => this.ids.has(part));
    for (const [name, value] of Object.entries({ ...(own === undefined ? {} : { [own]: body['id'] }), ...body })) {
      const known = this.ids.get(collectionOf(name));
      if (known && typeof value === 'string') this.ids.set(collectionOf(name), [...known.slice(0, 1), ...known.slice(1).slice(-4), value]);
    }
  }

  private filled(text: string): string {
    return text.replaceAll(/\{\{([\w-]+)\}\}/g, (whole, name: string) => {
      if (name === 'unknown') return UNKNOWN;
      const pool = name === 'foreign' ? this.foreign : this.ids.get(collectionOf(name));
      return pool?.[this.sent++ % pool.length] ?? (name.endsWith('id') ? UNKNOWN : whole);
    });
  }

  private credentialFor(operation: Operation): Credential {
    if (operation.isPublic) return {};
    if (operation.path.startsWith('/admin')) return this.admin;
    return this.sent % 3 === 0 && operation.path !== '/auth/logout' ? this.key : this.session;
  }

  wire(operation: Operation, request: FuzzRequest): WireRequest {
    this.sent += 1;
    // Of `.` and `..` a client makes another address before it sends anything.
    const segment = (text: string): string => encodeURIComponent(text.toWellFormed()).replace(/^\.{0,2}$/, '$&%20');
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => segment(this.filled(request.path[name] ?? '')));
    const query = new URLSearchParams(request.query.map(([name, value]): [string, string] => [name, this.filled(value)])).toString();
    let body: WireRequest['body'];
    const headers: Record<string, string> = { ...this.credentialFor(operation), ...request.headers };
    if (typeof request.body === 'string') {
      body = this.filled(request.body);
      headers['content-type'] = request.contentType;
    } else if (request.body) {
      body = new FormData();
      for (const [name, value] of request.body) {
        if (name === 'file') body.append(name, new File([value], 'text.md', { type: 'text/markdown' }));
        else body.append(name, this.filled(value));
      }
    }
    return { method: operation.method, path: query === '' ? path : `${path}?${query}`, headers, body };
  }

  async send(operation: Operation, { method, path, headers, body }: WireRequest): Promise<WireAnswer> {
    const response = await fetch(`${this.server.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }), signal: AbortSignal.timeout(20_000) });
    // A stream goes on for as long as its job.
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
    if (isStream) await response.body?.cancel();
    const answer = { status: response.status, headers: response.headers, text: isStream ? '' : await response.text() };
    this.learn(operation, answer);
    return answer;
  }

  /** Whether whoever asks still may; otherwise somebody new does. */
  async keepAsking(): Promise<void> {
    const may = async (credential: Credential): Promise<boolean> => (await fetch(`${this.server.url}/api/v1/tenant/info`, { headers: credential })).status === 200;
    const isThere = async (path: string): Promise<boolean> => (await fetch(`${this.server.url}${path}`, { headers: this.session })).status === 200;
    const whole = (await may(this.session)) && (await may(this.key)) && (await isThere(`/api/v1/documents/${this.ids.get('documents')![0]!}`)) && (await isThere(`/api/v1/databases/${this.ids.get('databases')![0]!}`));
    if (!whole) await this.settle();
  }
}
