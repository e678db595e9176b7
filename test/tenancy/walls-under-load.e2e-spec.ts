import type pg from 'pg';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import type { ApiClient } from '../support/api-client.js';
import { blobsOf } from '../support/disk.js';
import { administrator, createKey, createTenant, eventually, ingestText, type Tenant } from '../support/factories.js';
import { hangUp, MOMENTS } from '../support/hanging-up.js';
import { quotasOf, setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const REQUESTS = 500;
const POOL = 5;
const WORDS = ['axolotl', 'baklava', 'cuneiform', 'didgeridoo'];
const ALL = ['read', 'write', 'ingest', 'search', 'admin'];
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

interface Neighbour {
  tenant: Tenant;
  word: string;
  credentials: Record<string, string>[];
  /** To be read, and to be deleted one after the other. */
  documents: string[];
}

interface Request {
  method: string;
  path: string;
  body?: object;
}

interface Outcome {
  from: Neighbour;
  request: Request;
  /** Undefined when the client hung up. */
  status?: number;
  text: string;
}

describe('five hundred requests of several tenants at once, over five connections', () => {
  let server: TestApp;
  let neighbours: Neighbour[];
  let outcomes: Outcome[];

  async function settle(admin: ApiClient, word: string): Promise<Neighbour> {
    const tenant = await createTenant(server.anonymous, `Owner of ${word}`);
    await setLimits(admin, tenant, { api_calls_per_hour: null, api_keys: null, databases: null });
    const key = await createKey(tenant.client, ALL, { name: `${word} key`, rate_limit_per_hour: 10_000 });
    const first = await ingestText(tenant.client, `About ${word}`, `The ${word} is mentioned here.`);
    return { tenant, word, credentials: [{ authorization: `Bearer ${tenant.token}` }, { 'x-api-key': key.secret }], documents: [first] };
  }

  /** What the n-th request is; each tenant gets its share of each kind, and of each way to sign in. */
  function requestOf(n: number, self: Neighbour, other: Neighbour): Request {
    const nth = Math.floor(n / WORDS.length / 2);
    const kinds: (() => Request)[] = [
      () => ({ method: 'GET', path: '/api/v1/documents?limit=100' }),
      () => ({ method: 'POST', path: '/api/v1/search', body: { query: other.word } }),
      () => ({ method: 'POST', path: '/api/v1/ingest/text', body: { title: `${self.word} ${n}`, content: `Number ${n} of ${self.word}.` } }),
      () => ({ method: 'DELETE', path: `/api/v1/documents/${self.documents[1 + Math.floor(nth / 16)]}` }),
      () => ({ method: 'GET', path: `/api/v1/documents/${other.documents[0]}` }),
      () => ({ method: 'POST', path: '/api/v1/api-keys', body: { name: `${self.word} ${n}` } }),
      () => ({ method: 'GET', path: `/api/v1/documents/${self.documents[0]}` }),
      () => ({ method: 'GET', path: '/api/v1/jobs?limit=100' }),
      () => ({ method: 'POST', path: '/api/v1/search', body: { query: self.word } }),
      () => ({ method: 'DELETE', path: `/api/v1/documents/${other.documents[0]}` }),
      () => ({ method: 'GET', path: '/api/v1/api-keys?limit=100' }),
      () => ({ method: 'POST', path: '/api/v1/ingest/text', body: { title: 'x', content: 'x', database_id: other.documents[0] } }),
      () => ({ method: 'GET', path: '/api/v1/databases' }),
      () => ({ method: 'POST', path: '/api/v1/databases', body: { name: `${self.word}-${n}` } }),
      () => ({ method: 'GET', path: '/api/v1/tenant/info' }),
      () => ({ method: 'GET', path: '/auth/me' }),
    ];
    return kinds[nth % kinds.length]!();
  }

  async function send(n: number): Promise<Outcome> {
    const from = neighbours[n % WORDS.length]!;
    const request = requestOf(n, from, neighbours[(n + 1 + (n % 3)) % WORDS.length]!);
    const headers = from.credentials[Math.floor(n / WORDS.length) % 2]!;
    const body = request.body && JSON.stringify(request.body);
    if (n % 5 === 4) return { from, request, text: await hangUp(server.url, { ...request, headers, body }, MOMENTS[Math.floor(n / 5) % MOMENTS.length]!) };
    const answer = await fetch(`${server.url}${request.path}`, { method: request.method, headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, ...(body === undefined ? {} : { body }) });
    return { from, request, status: answer.status, text: await answer.text() };
  }

  beforeAll(async () => {
    server = await TestApp.start({ ROLE: 'api', DATABASE_POOL: String(POOL) });
    // Nobody works off what is sent later, so that it can be counted in peace.
    const worker = await server.beside({ ROLE: 'worker' });
    const admin = await administrator(server);
    neighbours = await Promise.all(WORDS.map((word) => settle(admin, word)));
    await worker.app.close();
    for (const { tenant, word, documents } of neighbours) {
      for (let n = 0; n < 8; n++) documents.push((await tenant.client.post('/api/v1/ingest/text', { title: `${word} to go`, content: `${word} ${n}` })).body.document_id as string);
    }
    outcomes = await Promise.all(Array.from({ length: REQUESTS }, (_, n) => send(n)));
  }, 60_000);
  afterAll(() => server.stop());

  it('are answered, but for those whose clients hung up', () => {
    const answered = outcomes.filter(({ status }) => status !== undefined);
    expect(answered).toHaveLength((REQUESTS * 4) / 5);
    // Who does not get a connection within five seconds, on a machine that is busy with other things, is told so.
    const unexpected = answered.filter(({ status }) => ![200, 201, 202, 204, 404, 503].includes(status!));
    expect(unexpected.map(({ request, status, text }) => [request, status, text])).toEqual([]);
    const kinds = new Set(answered.filter(({ status }) => status! < 300).map(({ request }) => `${request.method} ${request.path.split(/[/?]/)[3] ?? ''}`));
    expect([...kinds]).toEqual(expect.arrayContaining(['GET documents', 'POST search', 'POST ingest', 'DELETE documents', 'POST api-keys', 'GET jobs']));
  });

  it('bring nothing of another tenant to anybody, whole or in part', async () => {
    const owned = await server.database.query<{ id: string; tenant_id: string }>(
      ['documents', 'jobs', 'api_keys', 'databases', 'database_servers', 'users', 'document_chunks'].map((table) => `SELECT id, tenant_id FROM ${table}`).join(' UNION ALL ') + ' UNION ALL SELECT id, id FROM tenants',
    );
    const ownerOf = new Map(owned.map(({ id, tenant_id }) => [id, tenant_id]));
    const seen = { own: 0, foreign: [] as unknown[] };
    for (const { from, request, text } of outcomes) {
      // What a client has named itself comes back to it in `instance`.
      const withoutAddress = text.replaceAll(request.path, '');
      for (const [id] of withoutAddress.matchAll(UUID)) {
        if (ownerOf.get(id) === from.tenant.tenantId) seen.own += 1;
        else if (ownerOf.has(id)) seen.foreign.push([request, id]);
      }
      for (const { word, tenant } of neighbours) {
        if (tenant !== from.tenant && (withoutAddress.includes(word) || withoutAddress.includes(tenant.email))) seen.foreign.push([request, word]);
      }
    }
    expect(seen.foreign).toEqual([]);
    expect(seen.own).toBeGreaterThan(500);
  });

  it('find what is their own and nothing else', () => {
    const searches = outcomes.filter(({ request, status }) => request.path === '/api/v1/search' && status === 200);
    const forOwn = searches.filter(({ from, request }) => (request.body as { query: string }).query === from.word);
    expect(forOwn.length).toBeGreaterThan(10);
    for (const { from, text } of forOwn) expect(text).toContain(`The ${from.word} is mentioned here.`);
    const foreign = outcomes.filter(({ request, from, status }) => status !== undefined && /documents\/./.test(request.path) && !from.documents.some((id) => request.path.includes(id)));
    expect(foreign.length).toBeGreaterThan(20);
    expect(foreign.filter(({ status }) => status !== 404 && status !== 503)).toEqual([]);
  });

  it('leave no transaction open, no connection stuck and no half of a file', async () => {
    const { master: pool } = server.app.get(DataSource).driver as PostgresDriver as { master: pg.Pool };
    await eventually(() => Promise.resolve([pool.totalCount - pool.idleCount, pool.waitingCount]), ([busy, waiting]) => busy === 0 && waiting === 0);
    expect(pool.totalCount).toBeLessThanOrEqual(POOL);
    // What the clock does every second or two opens one as well, and closes it again.
    const open = () => server.database.query(`SELECT state, query FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'morag' AND (state <> 'idle' OR xact_start IS NOT NULL)`);
    await eventually(open, (found) => found.length === 0);
    const afterwards = await Promise.all(neighbours.flatMap(({ tenant }) => Array.from({ length: 2 * POOL }, () => tenant.client.get('/api/v1/tenant/info'))));
    expect(new Set(afterwards.map(({ status }) => status))).toEqual(new Set([200]));
    // Requests whose clients hung up may have had something left to do.
    await eventually(() => blobsOf(server), (found) => found.every((file) => !file.startsWith('incoming')));
    const rows = await server.database.query<{ blob_key: string }>('SELECT blob_key FROM documents');
    const files = await blobsOf(server);
    expect(rows.map(({ blob_key }) => blob_key).filter((key) => !files.includes(key))).toEqual([]);
  });

  it('leave the counters of every tenant as exact as if they had come one by one', async () => {
    for (const { tenant } of neighbours) {
      const [held] = await server.database.query<Record<string, number>>(
        `SELECT count(*) FILTER (WHERE is_charged)::int AS documents, coalesce(sum(size_bytes) FILTER (WHERE is_charged), 0)::int AS storage_mb, coalesce(sum(chunk_count) FILTER (WHERE is_charged), 0)::int AS vector_points,
                (SELECT count(*)::int FROM databases WHERE tenant_id = $1) AS databases, (SELECT count(*)::int FROM api_keys WHERE tenant_id = $1 AND revoked_at IS NULL AND rotated_to IS NULL) AS api_keys
           FROM documents WHERE tenant_id = $1`,
        [tenant.tenantId],
      );
      const quotas = await quotasOf(tenant.client);
      const counted = Object.fromEntries(Object.keys(held!).map((resource) => [resource, quotas[resource]!.used]));
      expect(counted).toEqual(held);
      expect(Object.values(quotas).map(({ reserved }) => reserved)).toEqual(Object.values(quotas).map(() => 0));
      expect(held!['documents']).toBeGreaterThan(8);
      const [orphans] = await server.database.query(`SELECT count(*)::int AS count FROM documents d WHERE tenant_id = $1 AND NOT EXISTS (SELECT FROM jobs j WHERE j.tenant_id = d.tenant_id AND j.document_id = d.id)`, [tenant.tenantId]);
      expect(orphans).toEqual({ count: 0 });
    }
  });
});
