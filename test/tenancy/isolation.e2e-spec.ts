import { readFileSync } from 'node:fs';
import type { Answer, ApiClient } from '../support/api-client.js';
import { administrator, createKey, createTenant, ingestText, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const PERMISSIONS_OF_ROUTES = JSON.parse(readFileSync('test/architecture/endpoint-permissions.json', 'utf8')) as Record<string, string>;
const OPENAPI = JSON.parse(readFileSync('openapi.json', 'utf8')) as { paths: Record<string, Record<string, object>> };

const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';
const SECRET = 'quetzalcoatlus';
const ALL = ['read', 'write', 'ingest', 'process', 'search', 'admin'];

interface Route {
  method: string;
  /** As in the snapshot, with `:id`. */
  path: string;
  needs: string;
}

const ROUTES: Route[] = Object.entries(PERMISSIONS_OF_ROUTES).map(([route, needs]) => ({ method: route.split(' ')[0]!, path: route.split(' ')[1]!, needs }));
const ROUTES_WITH_ID = ROUTES.filter(({ path }) => path.includes(':'));
const isForAdministrators = ({ needs }: Route): boolean => needs.includes('role ADMIN');

/** What a route with an id takes, so that it is the id that is refused and not the body. A new route belongs here. */
const BODIES: Record<string, object> = {
  'PATCH /api/v1/api-keys/:id': { description: 'taken over' },
  'PUT /api/v1/api-keys/:id': { description: 'taken over' },
  'POST /api/v1/api-keys/:id/rotate': { grace_seconds: 60 },
  'PATCH /admin/users/:id': { role: 'VIEWER' },
  'PATCH /admin/tenants/:id': { metadata: { owned: true } },
};

describe('another tenant', () => {
  let server: TestApp;
  let owner: Tenant;
  let stranger: Tenant;
  /** By kind; all the owner's. */
  let ids: Record<string, string>;
  let callers: Record<string, ApiClient>;

  beforeAll(async () => {
    server = await TestApp.start();
    const admin = await administrator(server);
    [owner, stranger] = await Promise.all([createTenant(server.anonymous, 'The owner'), createTenant(server.anonymous, 'A stranger')]);
    for (const tenant of [owner, stranger]) await setLimits(admin, tenant, { api_calls_per_hour: null });
    const database = await owner.client.post('/api/v1/databases', { name: 'secrets' });
    const key = await createKey(owner.client, ALL);
    const documentId = await ingestText(owner.client, 'Fossils', `The ${SECRET} could fly.`);
    const document = await owner.client.get(`/api/v1/documents/${documentId}`);
    ids = { document: documentId, job: document.body.job_id, key: key.id, database: database.body.id, tenant: owner.tenantId, user: owner.userId, 'default database': document.body.database_id };
    const theirKey = await createKey(stranger.client, ALL, { rate_limit_per_hour: 10_000 });
    callers = { 'a session': stranger.client, 'a key': theirKey.client };
  });
  afterAll(() => server.stop());

  /** The whole answer as text, without what differs by nature from request to request. */
  function seen({ status, headers, body }: Answer<unknown>): string {
    const varying = /^(?:date|x-request-id|ratelimit.*|content-length)$/;
    const stable = typeof body === 'object' && body !== null ? { ...body, request_id: '', instance: '' } : body;
    return JSON.stringify([status, [...headers].filter(([name]) => !varying.test(name)), stable]);
  }

  function call(client: ApiClient, { method, path }: Route, id: string): Promise<Answer<{ code?: string }>> {
    return client.send(method, path.replace(/:\w+/g, id), BODIES[`${method} ${path}`]);
  }

  /** Everything the owner has, as rows. */
  async function ownersRows(): Promise<unknown[]> {
    const tables = ['documents', 'document_chunks', 'jobs', 'api_keys', 'databases', 'tenants', 'users'];
    const rows = tables.map((table) => server.database.query(`SELECT to_jsonb(t) - ARRAY['last_used_at', 'usage_count'] AS row FROM ${table} t WHERE ${table === 'tenants' ? 'id' : 'tenant_id'} = $1 ORDER BY 1`, [owner.tenantId]));
    return Promise.all(rows);
  }

  it('is asked about on every route with an id there is', () => {
    expect(ROUTES_WITH_ID.length).toBeGreaterThan(10);
    const documented = Object.entries(OPENAPI.paths).flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`));
    const api = ROUTES.filter(({ path }) => !path.startsWith('/health')).map(({ method, path }) => `${method} ${path}`);
    expect(documented.filter((route) => !route.includes(' /health')).toSorted()).toEqual(api.toSorted());
    expect(ROUTES_WITH_ID.filter(({ method, path }) => method.startsWith('P') && !BODIES[`${method} ${path}`]).map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });

  describe.each(['a session', 'a key'])('with %s', (credential) => {
    it.each(ROUTES_WITH_ID.filter((route) => !isForAdministrators(route)).map((route) => [`${route.method} ${route.path}`, route] as const))(
      'gets the same 404 for what belongs to somebody else as for what is not there: %s',
      async (_, route) => {
        const client = callers[credential]!;
        const before = await ownersRows();
        const missing = await call(client, route, UNKNOWN);
        expect(missing.status).toBe(404);
        expect(missing.body).toMatchObject({ code: 'not_found' });
        for (const [kind, id] of Object.entries(ids)) {
          const foreign = await call(client, route, id);
          expect([kind, seen(foreign)]).toEqual([kind, seen(missing)]);
        }
        expect(await ownersRows()).toEqual(before);
      },
    );

    it.each(ROUTES.filter(isForAdministrators).map((route) => [`${route.method} ${route.path}`, route] as const))('is refused the administration alike, whatever it names: %s', async (_, route) => {
      const client = callers[credential]!;
      const missing = await call(client, route, UNKNOWN);
      expect(missing).toMatchObject({ status: 403, body: { code: 'forbidden_role' } });
      for (const id of Object.values(ids)) expect(seen(await call(client, route, id))).toBe(seen(missing));
    });

    it.each([
      ['database_id of a text', 'database', (id: string) => ['POST', '/api/v1/ingest/text', { title: 'x', content: 'x', database_id: id }]],
      ['database_ids of a search', 'database', (id: string) => ['POST', '/api/v1/search', { query: 'x', database_ids: [id] }]],
      ['default_database_id of a configuration', 'database', (id: string) => ['PATCH', '/api/v1/tenant/configuration', { default_database_id: id }]],
      ['database_ids of a new key', 'database', (id: string) => ['POST', '/api/v1/api-keys', { name: `of ${credential}`, permissions: ['read'], database_ids: [id] }]],
    ] as [string, string, (id: string) => [string, string, object]][])('cannot name a foreign one within a body: %s', async (_, kind, build) => {
      const client = callers[credential]!;
      const ask = (id: string) => client.send(...build(id));
      const missing = await ask(UNKNOWN);
      expect(missing.status).toBe(404);
      expect(seen(await ask(ids[kind]!))).toBe(seen(missing));
      expect(seen(await ask(ids['default database']!))).toBe(seen(missing));
    });

    it('cannot name a foreign database by its name, nor in a form', async () => {
      const client = callers[credential]!;
      const text = (database: string) => client.post('/api/v1/ingest/text', { title: 'x', content: 'x', database });
      const search = (database: string) => client.post('/api/v1/search', { query: 'x', databases: [database] });
      const form = (database_id: string) => client.upload('x', 'x.txt', { fields: { database_id } });
      const collection = (default_collection_name: string) => client.patch('/api/v1/tenant/configuration', { default_collection_name });
      for (const [ask, foreign, unknown] of [[collection, `user_${owner.userId}_secrets`, 'user_unknown_secrets'], [text, 'secrets', 'unknown'], [search, 'secrets', 'unknown'], [form, ids['database']!, UNKNOWN]] as const) {
        const missing = await ask(unknown);
        expect(missing.status).toBe(404);
        expect(seen(await ask(foreign))).toBe(seen(missing));
      }
    });

    it('finds nothing of a foreign document, named or not', async () => {
      const client = callers[credential]!;
      for (const mode of ['hybrid', 'vector', 'keyword']) {
        const named = await client.post('/api/v1/search', { query: SECRET, mode, document_ids: [ids['document']] });
        const unknown = await client.post('/api/v1/search', { query: SECRET, mode, document_ids: [UNKNOWN] });
        const all = await client.post('/api/v1/search', { query: SECRET, mode });
        for (const { status, body } of [named, unknown, all]) expect([status, body.results, body.documents, body.warnings]).toEqual([200, [], [], []]);
      }
    });

    it('sees lists that hold nothing of it, whatever they are filtered by', async () => {
      const client = callers[credential]!;
      const { document, database } = ids;
      const lists = ['/api/v1/documents', `/api/v1/documents?database_id=${ids['default database']}`, '/api/v1/documents?query=fossils', '/api/v1/jobs', `/api/v1/jobs?document_id=${document}`, '/api/v1/databases', '/api/v1/api-keys', '/api/v1/tenant/collections', '/api/v1/tenant/info', '/api/v1/tenant/quotas', '/api/v1/tenant/configuration', '/auth/me', '/auth/settings'];
      for (const path of lists) {
        const { status, body } = await client.get(path);
        const text = JSON.stringify(body);
        expect([path, status]).toEqual([path, 200]);
        for (const id of [document, database, ...Object.values(ids)]) expect(text).not.toContain(id);
        expect(text).not.toContain(owner.email);
      }
      for (const path of ['/api/v1/documents', '/api/v1/jobs']) expect(Object.values((await client.get(path)).body)[0]).toEqual([]);
      expect((await client.get('/api/v1/databases')).body.databases).toHaveLength(1);
    });
  });

  it('cannot page on with a cursor of somebody else’s list', async () => {
    await Promise.all([ingestText(owner.client, 'Second', 'Another page of the owner.'), ingestText(stranger.client, 'Mine', 'A page of the stranger.')]);
    const { body } = await owner.client.get('/api/v1/documents?limit=1');
    expect(body.has_more).toBe(true);
    const stolen = await stranger.client.get(`/api/v1/documents?limit=1&cursor=${body.next_cursor}`);
    expect(stolen).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
  });

  it('may use the same names and send the same bytes, and learns nothing from it', async () => {
    const created = await stranger.client.post('/api/v1/databases', { name: 'secrets' });
    expect(created.status).toBe(201);
    expect(created.body.collection_name).toBe(`user_${stranger.userId}_secrets`);
    const accepted = await stranger.client.post('/api/v1/ingest/text', { title: 'Fossils', content: `The ${SECRET} could fly.` });
    expect(accepted.status).toBe(202);
  });
});
