import { readFileSync } from 'node:fs';
import { mintKey } from '../../src/api-keys/key-format.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { administrator, createKey, createTenant, eventually, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { DOCUMENTED_ROUTES, EXAMPLES, IDS_IN_ANSWERS, REFERENCES, type Reference } from '../support/openapi-ids.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const PERMISSIONS_OF_ROUTES = JSON.parse(readFileSync('test/architecture/endpoint-permissions.json', 'utf8')) as Record<string, string>;

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
const isForAdministrators = ({ needs }: Pick<Route, 'needs'>): boolean => needs.includes('role ADMIN');

/** What a route takes besides the id in question, so that it is the id that is refused and not the body. Without a line here it is the example of the OpenAPI document. */
const BODIES: Record<string, object> = {
  'PATCH /api/v1/api-keys/:id': { description: 'taken over' },
  'PUT /api/v1/api-keys/:id': { description: 'taken over' },
  'POST /api/v1/api-keys/:id/rotate': { grace_seconds: 60 },
  'PATCH /api/v1/database-servers/:id': { name: 'taken over' },
  'PUT /api/v1/database-servers/:id': { name: 'taken over' },
  'POST /api/v1/database-servers/:id/test': {},
  'POST /api/v1/ingest/text': { title: 'x', content: 'x', replace_existing: true },
  'POST /api/v1/ingest/file': { replace_existing: 'true' },
  'POST /api/v1/ingest/url': { url: 'http://nowhere.invalid/', replace_existing: true },
  'POST /api/v1/databases/:id/reindex': {},
  'POST /api/v1/documents/:id/refresh': {},
  'POST /api/v1/documents/batch': { operation: 'deprecate' },
  'POST /api/v1/documents/:id/deprecate': {},
  'POST /api/v1/documents/:id/restore': {},
  'POST /api/v1/jobs/:id/cancel': {},
  'POST /api/v1/jobs/:id/retry': {},
  'PATCH /api/v1/webhooks/:id': { description: 'taken over' },
  'PUT /api/v1/webhooks/:id': { description: 'taken over' },
  'POST /api/v1/webhooks/:id/test': {},
  'POST /api/v1/webhooks/:id/rotate-secret': {},
  'POST /api/v1/webhooks/:id/deliveries/:delivery_id/replay': {},
  'PATCH /admin/users/:id': { role: 'VIEWER' },
  'PATCH /admin/tenants/:id': { metadata: { owned: true } },
};
const bodyOf = (route: string): object | undefined => BODIES[route] ?? EXAMPLES[route];

/** What the id in a path is of, by the part of the path before it. */
const KIND_BY_COLLECTION: Record<string, Kind> = { 'api-keys': 'key', batch: 'batch', 'database-servers': 'server', databases: 'database', documents: 'document', ingest: 'job', jobs: 'job', status: 'job', tenants: 'tenant', users: 'user', webhooks: 'webhook', deliveries: 'delivery' };

/** What each id in an answer is of; null where it is of nothing that can be asked for. */
const KIND_IN_ANSWERS: Record<string, Kind | null> = {
  'ApiKey.id': 'key', 'ApiKey.rotated_from': 'key', 'Database.id': 'database', 'DatabaseServer.id': 'server', 'Reindex.id': null, 'ReindexSummary.id': null, 'Document.id': 'document', 'FoundDocument.id': 'document', 'Chunk.id': 'chunk', 'Job.id': 'job', 'User.id': 'user', 'Me.id': 'user', 'AdminUser.id': 'user', 'AnyJob.id': 'job', 'Worker.id': null, 'RemoteJob.id': 'job', 'Webhook.id': 'webhook', 'WebhookDelivery.id': 'delivery', 'WebhookDeliveryDetails.id': 'delivery', 'AuditEntry.id': null, 'AnyAuditEntry.id': null, 'AuditActor.id': 'user', 'AuditTarget.id': null,
  api_key_id: 'key', batch_id: 'batch', default_database_id: 'database', chunk_id: 'chunk', database_id: 'database', database_ids: 'database', document_id: 'document', document_ids: 'document', job_id: 'job', server_id: 'server', task_id: 'job', tenant_id: 'tenant', user_id: 'user',
  query_id: null, request_id: null, message_id: null,
};

/** Where a foreign reference, like an unknown one, is answered with something else than 404 or an empty list. */
const OTHER_ANSWERS: Record<string, number> = {
  'PUT /auth/settings default_database': 422,
  'POST /api/v1/documents/batch document_ids': 200,
};

type Kind = 'batch' | 'document' | 'job' | 'key' | 'database' | 'server' | 'chunk' | 'tenant' | 'user' | 'webhook' | 'delivery';
type Ids = Record<Kind | 'default database', string>;

/** A caller, what is closed to it and what it may name in a path. */
interface Stranger {
  client: ApiClient;
  foreign: Partial<Ids>;
  own: Partial<Ids>;
  /** Besides 404: a key that is bound to databases may be told that it lacks the right. */
  mayBeForbidden: boolean;
}

/** `{items: [{database_id: value}]}` for `items[].database_id`, beside what else the body has. */
function withField(body: object, [name, ...rest]: readonly string[], value: unknown): object {
  if (name === undefined) return body;
  const isList = name.endsWith('[]');
  const plain = name.replace('[]', '');
  const before = (body as Record<string, unknown>)[plain];
  const inner = rest.length === 0 ? value : withField((isList ? (before as object[] | undefined)?.[0] : (before as object | undefined)) ?? {}, rest, value);
  return { ...body, [plain]: isList ? [inner] : inner };
}

describe('another tenant', () => {
  let server: TestApp;
  let owner: Tenant;
  let stranger: Tenant;
  /** All the owner's. */
  let ids: Ids;
  let callers: Record<string, Stranger>;

  /** A document in a database of its own, with everything there is of it. */
  async function settle(tenant: Tenant, name: string, secret: string): Promise<Ids> {
    const database = await tenant.client.post('/api/v1/databases', { name });
    // Nobody answers there, so the row of the webhook stays as it is after the first attempt.
    const webhook = await tenant.client.post('/api/v1/webhooks', { url: 'http://127.0.0.1:9/', events: ['api_key.created'] });
    const pathOfWebhook = `/api/v1/webhooks/${webhook.body.webhook.id}`;
    const key = await createKey(tenant.client, ALL);
    const documentId = await ingestText(tenant.client, 'Fossils', `The ${secret} could fly.`, { database_id: database.body.id });
    const batch = await tenant.client.post('/api/v1/ingest/batch', { items: [{ title: 'Claws', content: `The claws of a ${secret}.` }], database_id: database.body.id });
    await waitForTask(tenant.client, batch.body.tasks[0].task_id);
    const document = await tenant.client.get(`/api/v1/documents/${documentId}`);
    const found = await tenant.client.post('/api/v1/search', { query: secret });
    await eventually(() => tenant.client.get(pathOfWebhook), ({ body }) => body.failing_since !== null);
    const deliveries = await tenant.client.get(`${pathOfWebhook}/deliveries`);
    const databases = await tenant.client.get<{ databases: { id: string; name: string }[] }>('/api/v1/databases');
    return {
      batch: batch.body.batch_id,
      document: documentId,
      job: document.body.job_id,
      key: key.id,
      database: database.body.id,
      server: database.body.server_id,
      chunk: found.body.results[0].chunk_id,
      tenant: tenant.tenantId,
      user: tenant.userId,
      webhook: webhook.body.webhook.id,
      delivery: deliveries.body.deliveries[0].id,
      'default database': databases.body.databases.find((each) => each.name === 'default')!.id,
    };
  }

  beforeAll(async () => {
    server = await TestApp.start({ OUTBOUND_ALLOW: '127.0.0.1:9' });
    const admin = await administrator(server);
    [owner, stranger] = await Promise.all([createTenant(server.anonymous, 'The owner'), createTenant(server.anonymous, 'A stranger')]);
    for (const tenant of [owner, stranger]) await setLimits(admin, tenant, { api_calls_per_hour: null });
    ids = await settle(owner, 'secrets', SECRET);
    const own = await settle(stranger, 'pebbles', 'granite');
    const theirKey = await createKey(stranger.client, ALL, { rate_limit_per_hour: 10_000 });
    const cell = (await owner.client.post('/api/v1/databases', { name: 'cell' })).body.id as string;
    const boundKey = await createKey(owner.client, ALL, { rate_limit_per_hour: 10_000, database_ids: [cell] });
    const { batch, document, job, database, chunk, webhook, delivery, 'default database': first } = ids;
    callers = {
      'a session': { client: stranger.client, foreign: ids, own, mayBeForbidden: false },
      'a key': { client: theirKey.client, foreign: ids, own, mayBeForbidden: false },
      'a key of the same tenant that is bound to another database': {
        client: boundKey.client,
        foreign: { batch, document, job, database, chunk, webhook, delivery, 'default database': first },
        own: { key: boundKey.id, database: cell },
        mayBeForbidden: true,
      },
    };
  });
  afterAll(() => server.stop());

  /** The whole answer as text, without what differs by nature from request to request. */
  function seen({ status, headers, body }: Answer<unknown>, asked?: string): string {
    const varying = /^(?:date|x-request-id|ratelimit.*|content-length)$/;
    const stable = typeof body === 'object' && body !== null ? { ...body, request_id: '', instance: '', query_id: '', took_ms: 0 } : body;
    const text = JSON.stringify([status, [...headers].filter(([name]) => !varying.test(name)), stable]).replaceAll(/"request_id":"[^"]*"/g, '');
    // What was asked for may be told again.
    return asked === undefined ? text : text.replaceAll(asked, '');
  }

  function call(client: ApiClient, { method, path }: Route, id: string): Promise<Answer<{ code?: string }>> {
    return client.send(method, path.replace(/:\w+/g, id), method === 'GET' || method === 'DELETE' ? undefined : bodyOf(`${method} ${path}`));
  }

  /** Everything the owner has, as rows. */
  async function ownersRows(): Promise<unknown[]> {
    const tables = ['documents', 'document_chunks', 'jobs', 'api_keys', 'databases', 'database_servers', 'ingest_batches', 'ingest_batch_items', 'webhooks', 'tenants', 'users', 'user_settings'];
    const rows = tables.map((table) => `SELECT to_jsonb(t) - ARRAY['last_used_at', 'usage_count'] AS row FROM ${table} t WHERE ${table === 'tenants' ? 'id' : 'tenant_id'} = $1`);
    return server.database.query(`${rows.join(' UNION ALL ')} ORDER BY 1`, [owner.tenantId]);
  }

  /** The request with this in the place of the reference; a path goes to something of the caller's own. */
  function refer({ route, place, field, isList }: Reference, { client, own }: Stranger, value: string): Promise<Answer<Record<string, unknown>>> {
    const [method, pattern] = route.split(' ') as [string, string];
    const path = pattern.replace(/([^/]+)\/:\w+/g, (_, collection: string) => `${collection}/${own[KIND_BY_COLLECTION[collection]!] ?? UNKNOWN}`);
    const given = isList ? [value] : value;
    if (place === 'query') return client.send(method, `${path}?${new URLSearchParams({ [field]: value }).toString()}`, method === 'GET' ? undefined : bodyOf(route));
    if (place === 'form') return client.upload('x', 'x.txt', { fields: { ...bodyOf(route), [field]: isList ? JSON.stringify(given) : value } });
    return client.send(method, path, withField(bodyOf(route) ?? {}, field.split('.'), given));
  }

  /** Why an answer to an unknown reference is none; null when it is one. */
  function complaint({ route, field }: Reference, { mayBeForbidden }: Stranger, { status, body }: Answer<Record<string, unknown>>): string | null {
    const needs = PERMISSIONS_OF_ROUTES[route]!;
    const isEmpty = status === 200 && Object.values(body).every((value) => !Array.isArray(value) || value.length === 0);
    const isKnown = OTHER_ANSWERS[`${route} ${field}`] === status || status === 404 || isEmpty;
    const isForbidden = status === 403 && (mayBeForbidden || isForAdministrators({ needs }) || needs === 'session');
    if (isKnown || isForbidden) return null;
    return `${route} answers ${status} (${String(body['detail'])}) when ${field} names nothing. Add '${route}': {…} to BODIES with what else a good body needs, or '${route} ${field}': ${status} to OTHER_ANSWERS if that is meant.`;
  }

  describe('is asked about everything there is:', () => {
    it('every route is documented, and what cannot be called without a body has one', () => {
      expect(ROUTES_WITH_ID.length).toBeGreaterThan(10);
      const api = ROUTES.filter(({ path }) => !path.startsWith('/health')).map(({ method, path }) => `${method} ${path}`);
      expect(DOCUMENTED_ROUTES.filter((route) => !route.includes(' /health')).toSorted()).toEqual(api.toSorted());
      const withoutBody = [...ROUTES_WITH_ID.map(({ method, path }) => `${method} ${path}`), ...REFERENCES.filter(({ place }) => place !== 'query').map(({ route }) => route)]
        .filter((route) => route.startsWith('P') && !bodyOf(route))
        .map((route) => `add '${route}': {…} to BODIES`);
      expect(withoutBody).toEqual([]);
    });

    it('every id in a path is of a known kind', () => {
      const collections = ROUTES_WITH_ID.flatMap(({ path }) => [...path.matchAll(/([^/]+)\/:\w+/g)].map(([, collection]) => collection!));
      expect(collections.filter((collection) => !KIND_BY_COLLECTION[collection]).map((collection) => `add '${collection}' to KIND_BY_COLLECTION`)).toEqual([]);
    });

    it('every id that answers give away is tried', () => {
      const unknown = IDS_IN_ANSWERS.filter((name) => KIND_IN_ANSWERS[name] === undefined && KIND_IN_ANSWERS[name.split('.')[1]!] === undefined);
      expect(unknown.map((name) => `add '${name}' (or '${name.split('.')[1]!}') to KIND_IN_ANSWERS, and its kind to Ids where it is a new one`)).toEqual([]);
      for (const kind of Object.values(KIND_IN_ANSWERS)) expect(kind === null || ids[kind]).toBeTruthy();
    });

    it('every reference in a query or a body is found', () => {
      const found = REFERENCES.map(({ route, field }) => `${route} ${field}`);
      expect(found).toEqual(expect.arrayContaining(['GET /api/v1/documents database_id', 'GET /api/v1/jobs document_id', 'POST /api/v1/ingest/file database_id', 'POST /api/v1/search databases', 'PUT /auth/settings default_database']));
      expect(found.length).toBeGreaterThan(12);
    });
  });

  describe.each(['a session', 'a key', 'a key of the same tenant that is bound to another database'])('with %s', (credential) => {
    it.each(ROUTES_WITH_ID.filter((route) => !isForAdministrators(route)).map((route) => [`${route.method} ${route.path}`, route] as const))(
      'gets the same 404 for what belongs to somebody else as for what is not there: %s',
      async (_, route) => {
        const { client, foreign } = callers[credential]!;
        const before = await ownersRows();
        const missing = await call(client, route, UNKNOWN);
        expect(missing.status).toBe(404);
        expect(missing.body).toMatchObject({ code: 'not_found' });
        for (const [kind, id] of Object.entries(foreign)) {
          const answer = await call(client, route, id);
          expect([kind, seen(answer)]).toEqual([kind, seen(missing)]);
        }
        expect(await ownersRows()).toEqual(before);
      },
    );

    it.each(ROUTES.filter(isForAdministrators).map((route) => [`${route.method} ${route.path}`, route] as const))('is refused the administration alike, whatever it names: %s', async (_, route) => {
      const { client, foreign } = callers[credential]!;
      const missing = await call(client, route, UNKNOWN);
      expect(missing).toMatchObject({ status: 403, body: { code: 'forbidden_role' } });
      for (const id of Object.values(foreign)) expect(seen(await call(client, route, id))).toBe(seen(missing));
    });

    it.each(REFERENCES.filter(({ route }) => PERMISSIONS_OF_ROUTES[route] !== 'public').map((reference) => [`${reference.route} ${reference.field}`, reference] as const))(
      'cannot tell a foreign reference from one to nothing: %s',
      async (_, reference) => {
        const caller = callers[credential]!;
        const before = await ownersRows();
        const missing = await refer(reference, caller, reference.by === 'id' ? UNKNOWN : 'unknown');
        expect(complaint(reference, caller, missing)).toBeNull();
        const foreign = reference.by === 'id' ? Object.entries(caller.foreign) : [['name', 'secrets']];
        for (const [kind, value] of foreign) expect([kind, seen(await refer(reference, caller, value!), value)]).toEqual([kind, seen(missing, UNKNOWN)]);
        expect(await ownersRows()).toEqual(before);
      },
    );

    it('finds nothing of a foreign document, named or not', async () => {
      const { client, foreign } = callers[credential]!;
      for (const mode of ['hybrid', 'vector', 'keyword']) {
        const answers = [await client.post('/api/v1/search', { query: SECRET, mode, document_ids: [foreign.document] }), await client.post('/api/v1/search', { query: SECRET, mode })];
        for (const { status, body } of answers) {
          expect(status).toBe(200);
          expect(JSON.stringify(body)).not.toContain(SECRET);
          expect(JSON.stringify(body)).not.toContain(foreign.document);
        }
        expect(answers[0]!.body).toMatchObject({ results: [], documents: [], warnings: [] });
      }
    });

    it.each(ROUTES.filter((route) => route.method === 'GET' && !route.path.includes(':') && !isForAdministrators(route)).map(({ path }) => path))('sees nothing foreign in what it may read: %s', async (path) => {
      const { client, foreign, mayBeForbidden } = callers[credential]!;
      const { status, body } = await client.get(path);
      expect(status).toBe(200);
      const text = JSON.stringify(body);
      for (const [kind, id] of Object.entries(foreign)) expect([kind, text.includes(id)]).toEqual([kind, false]);
      for (const word of [SECRET, 'secrets', ...(mayBeForbidden ? [] : [owner.email, 'The owner'])]) expect(text).not.toContain(word);
    });
  });

  it('learns nothing of a foreign key from its secret', async () => {
    const foreign = await createKey(owner.client, ALL);
    const verify = (client: ApiClient, key: string) => client.post('/api/v1/api-keys/verify', { key });
    for (const { client } of [callers['a session']!, callers['a key']!]) {
      const unknown = await verify(client, mintKey('live').secret);
      expect(unknown).toMatchObject({ status: 200, body: { valid: false, code: 'not_found' } });
      expect(seen(await verify(client, foreign.secret))).toBe(seen(unknown));
    }
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
