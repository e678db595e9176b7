import type { Answer, ApiClient } from '../support/api-client.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { administrator, createKey, createTenant, eventually, PASSWORD, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

/** One of each kind; `/tenant/info` is asked apart. */
const ROUTES: [string, string, object?][] = [
  ['GET', '/api/v1/documents'],
  ['GET', '/api/v1/tenant/quotas'],
  ['GET', '/api/v1/tenant/configuration'],
  ['PATCH', '/api/v1/tenant/configuration', { enable_webhooks: true }],
  ['GET', '/auth/me'],
  ['GET', '/api/v1/api-keys'],
  ['POST', '/api/v1/search', { query: 'anything' }],
  ['POST', '/api/v1/ingest/text', { title: 'x', content: 'x' }],
  ['POST', '/api/v1/databases', { name: 'x' }],
  ['GET', '/admin/tenants'],
];

describe('the status of a tenant, on two servers', () => {
  let server: TestApp;
  let embeddings: EmbeddingServer;
  let admin: ApiClient;
  let servers: TestApp[];
  let tenant: Tenant;
  let secret: string;

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    server = await TestApp.start(embeddings.env);
    admin = await administrator(server);
    servers = [server, await server.beside({ ...embeddings.env, ROLE: 'api' })];
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    ({ secret } = await createKey(tenant.client, ['read', 'write', 'ingest', 'process', 'search', 'admin']));
  });
  afterAll(async () => {
    embeddings.release();
    await servers[1]!.app.close();
    await server.stop();
    await embeddings.stop();
  });

  /** The session and the key, at each server. */
  const callers = (): ApiClient[] => servers.flatMap(({ anonymous }) => [anonymous.asUser(tenant.token), anonymous.asApiKey(secret)]);
  const ask = (client: ApiClient, [method, path, body]: (typeof ROUTES)[number]): Promise<Answer<{ code?: string }>> => client.send(method, path, body);

  async function become(status: string): Promise<void> {
    const answer = await admin.patch(`/admin/tenants/${tenant.tenantId}`, { status });
    expect(answer).toMatchObject({ status: 200, body: { status } });
  }

  async function works(): Promise<void> {
    for (const client of callers()) for (const path of ['/api/v1/documents', '/auth/me', '/api/v1/tenant/configuration']) expect((await client.get(path)).status).toBe(200);
  }

  it.each(['suspended', 'inactive'])('%s refuses everything from the moment it is answered but the sign-in and what tells it, and active and trial work again at once', async (status) => {
    await works();
    await become(status);
    for (const client of callers()) {
      for (const route of ROUTES) expect([route, await ask(client, route)]).toMatchObject([route, { status: 403, body: { code: 'tenant_suspended' } }]);
      expect(await client.get('/api/v1/tenant/info')).toMatchObject({ status: 200, body: { status, purge_requested_at: null } });
    }
    for (const { anonymous: client } of servers) {
      const signedIn = await client.post('/auth/login', { email: tenant.email, password: PASSWORD });
      expect(signedIn.status).toBe(200);
      expect(await client.asUser(signedIn.body.access_token).get('/api/v1/documents')).toMatchObject({ status: 403, body: { code: 'tenant_suspended' } });
      expect((await client.asUser(signedIn.body.access_token).get('/api/v1/tenant/info')).body).toMatchObject({ status });
    }
    await become('trial');
    await works();
    await become(status);
    for (const client of callers()) expect((await client.get('/api/v1/documents')).status).toBe(403);
    await become('active');
    await works();
  });

  it('suspended lets the work go on to its end that was accepted before', async () => {
    embeddings.hold();
    const accepted = await tenant.client.post('/api/v1/ingest/text', { title: 'Before', content: 'Accepted before the suspension.' });
    const look = async () => (await server.database.query<{ status: string; stage: string | null }>('SELECT status, stage FROM jobs WHERE id = $1', [accepted.body.task_id]))[0]!;
    await eventually(look, ({ stage }) => stage === 'embedding');
    const waiting = await tenant.client.post('/api/v1/ingest/text', { title: 'Waiting', content: 'Accepted, too.' });
    await become('suspended');
    embeddings.release();
    await eventually(() => server.database.query<{ status: string }>('SELECT status FROM jobs WHERE tenant_id = $1', [tenant.tenantId]), (jobs) => jobs.every(({ status }) => status === 'FINISHED'));
    await become('active');
    for (const { body } of [accepted, waiting]) expect((await tenant.client.get(`/api/v1/documents/${body.document_id}`)).body.state).toBe('INGESTED');
  });
});
