import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Answer, ApiClient } from '../support/api-client.js';
import { administrator, createKey, createTenant, eventually, forgetFailedSignIns, ingestText, PASSWORD, signIn, waitForTask, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';
import { WebServer } from '../support/web-server.js';

const ROUTES = Object.entries(JSON.parse(readFileSync('test/architecture/endpoint-permissions.json', 'utf8')) as Record<string, string>);
const ALL = ['read', 'write', 'ingest', 'process', 'search', 'admin'];

/** What changes nothing that anybody would ask about later. */
const WITHOUT_ENTRY: Record<string, string> = {
  'POST /api/v1/api-keys/verify': 'reads',
  'POST /api/v1/database-servers/test': 'reads',
  'POST /api/v1/database-servers/:id/test': 'notes the health, which the clock does as well',
  'POST /api/v1/search': 'reads',
  'POST /process/chunks': 'stores nothing',
  'POST /process/file': 'stores nothing',
  'POST /process/url': 'stores nothing',
  'POST /api/v1/remote/lease': 'a lease, like a local worker’s',
  'POST /api/v1/remote/jobs/:id/heartbeat': 'the same lease',
  'POST /api/v1/webhooks/:id/test': 'asks an endpoint whether it listens',
  'POST /api/v1/webhooks/:id/deliveries/:delivery_id/replay': 'sends again what is recorded as a delivery',
  'POST /auth/refresh': 'goes on with a session that was recorded; a token that is used twice is recorded',
  'POST /admin/reconcile': 'sets counters to what the rows say',
};

interface Entry {
  id: string;
  tenant_id: string;
  actor: { type: string; id: string | null };
  api_key_id: string | null;
  action: string;
  target: { type: string; id: string | null; name: string | null };
  result: string;
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
  changes: Record<string, unknown>;
}

/** What one step of the story knows: whoever acts, and what the steps before made. */
interface Story {
  client: ApiClient;
  made: Record<string, string>;
}

interface Step {
  route: string;
  status: number;
  /** What is recorded of the request, in any order. */
  actions: string[];
  call: (story: Story) => Promise<Answer<Record<string, any>>>;
  keep?: Record<string, (body: Record<string, any>) => string>;
}

/** An MPEG-1 layer III stream, which only a remote worker reads: so its job stays where it is. */
const recording = (): Buffer => Buffer.concat(Array.from({ length: 4 }, () => Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x00]), randomBytes(413)])));
const fresh = (): string => randomBytes(6).toString('hex');

describe('the audit', () => {
  let server: TestApp;
  let site: WebServer;
  let admin: ApiClient;

  beforeAll(async () => {
    site = await WebServer.start();
    server = await TestApp.start({ OUTBOUND_ALLOW: `${site.host},127.0.0.1:6333` });
    admin = await administrator(server);
  });
  afterAll(async () => {
    await server.stop();
    await site.stop();
  });

  const entriesOf = async (query: string): Promise<Entry[]> => {
    const { status, body } = await admin.get<{ entries: Entry[] }>(`/admin/audit?limit=100&${query}`);
    expect(status).toBe(200);
    return body.entries;
  };
  const requestOf = ({ headers }: Answer<unknown>): string => headers.get('x-request-id')!;

  const waiting = async ({ client }: Story): Promise<{ id: string; document: string }> => {
    const { status, body } = await client.upload(recording(), `${fresh()}.mp3`);
    expect(status).toBe(202);
    return { id: body.task_id, document: body.document_id };
  };
  const leased = async (story: Story): Promise<string> => {
    await waiting(story);
    const { status, body } = await story.client.post('/api/v1/remote/lease', {});
    expect(status).toBe(200);
    story.made['attempt'] = body.job.attempt;
    return body.job.id;
  };

  const STEPS: Step[] = [
    { route: 'POST /api/v1/api-keys', status: 201, actions: ['api_key.created'], call: ({ client }) => client.post('/api/v1/api-keys', { name: fresh(), permissions: ['read'] }), keep: { key: (body) => body['api_key'].id } },
    { route: 'PUT /api/v1/api-keys/:id', status: 200, actions: ['api_key.updated'], call: ({ client, made }) => client.put(`/api/v1/api-keys/${made['key']}`, { description: 'One' }) },
    { route: 'PATCH /api/v1/api-keys/:id', status: 200, actions: ['api_key.updated'], call: ({ client, made }) => client.patch(`/api/v1/api-keys/${made['key']}`, { description: 'Two' }) },
    {
      route: 'POST /api/v1/api-keys/:id/rotate', status: 201, actions: ['api_key.created', 'api_key.rotated'],
      call: ({ client, made }) => client.post(`/api/v1/api-keys/${made['key']}/rotate`, { grace_seconds: 0 }), keep: { key: (body) => body['api_key'].id },
    },
    { route: 'DELETE /api/v1/api-keys/:id', status: 204, actions: ['api_key.revoked'], call: ({ client, made }) => client.delete(`/api/v1/api-keys/${made['key']}`) },
    {
      route: 'POST /api/v1/database-servers', status: 201, actions: ['database_server.created'],
      call: ({ client }) => client.post('/api/v1/database-servers', { name: fresh(), type: 'QDRANT', host: '127.0.0.1', port: 6333, api_key: 'canary-of-a-server' }), keep: { server: (body) => body['id'] },
    },
    { route: 'PUT /api/v1/database-servers/:id', status: 200, actions: ['database_server.updated'], call: ({ client, made }) => client.put(`/api/v1/database-servers/${made['server']}`, { name: fresh() }) },
    { route: 'PATCH /api/v1/database-servers/:id', status: 200, actions: ['database_server.updated'], call: ({ client, made }) => client.patch(`/api/v1/database-servers/${made['server']}`, { api_key: 'canary-of-another' }) },
    { route: 'DELETE /api/v1/database-servers/:id', status: 204, actions: ['database_server.deleted'], call: ({ client, made }) => client.delete(`/api/v1/database-servers/${made['server']}`) },
    { route: 'POST /api/v1/databases', status: 201, actions: ['database.created'], call: ({ client }) => client.post('/api/v1/databases', { name: fresh() }), keep: { database: (body) => body['id'] } },
    { route: 'PATCH /api/v1/databases/:id', status: 200, actions: ['database.updated'], call: ({ client, made }) => client.patch(`/api/v1/databases/${made['database']}`, { description: 'Mine' }) },
    { route: 'POST /api/v1/databases/:id/reindex', status: 202, actions: ['reindex.started'], call: ({ client, made }) => client.post(`/api/v1/databases/${made['database']}/reindex`, {}) },
    {
      route: 'DELETE /api/v1/databases/:id/reindex', status: 200, actions: ['reindex.cancelled'],
      call: async ({ client, made }) => {
        // There is nothing to embed, so it ends before anybody could cancel it.
        await eventually(() => client.get(`/api/v1/databases/${made['database']}/reindex`), ({ body }) => body.status === 'FINISHED');
        await server.database.query(`UPDATE reindexes SET status = 'RUNNING', ended_at = NULL WHERE database_id = $1`, [made['database']]);
        return client.delete(`/api/v1/databases/${made['database']}/reindex`);
      },
    },
    { route: 'DELETE /api/v1/databases/:id', status: 204, actions: ['database.deleted'], call: ({ client, made }) => client.delete(`/api/v1/databases/${made['database']}`) },
    { route: 'PATCH /api/v1/tenant/configuration', status: 200, actions: ['tenant.configured'], call: ({ client }) => client.patch('/api/v1/tenant/configuration', { default_chunk_size: 1000 + Math.floor(Math.random() * 1000), enable_remote_processing: true }) },
    {
      route: 'POST /api/v1/webhooks', status: 201, actions: ['webhook.created'],
      call: ({ client }) => client.post('/api/v1/webhooks', { url: `${site.url('/hook')}?token=canary-of-a-webhook`, events: ['api_key.*'] }), keep: { webhook: (body) => body['webhook'].id },
    },
    { route: 'PUT /api/v1/webhooks/:id', status: 200, actions: ['webhook.updated'], call: ({ client, made }) => client.put(`/api/v1/webhooks/${made['webhook']}`, { description: 'One' }) },
    { route: 'PATCH /api/v1/webhooks/:id', status: 200, actions: ['webhook.updated'], call: ({ client, made }) => client.patch(`/api/v1/webhooks/${made['webhook']}`, { is_active: false }) },
    { route: 'POST /api/v1/webhooks/:id/rotate-secret', status: 200, actions: ['webhook.secret_rotated'], call: ({ client, made }) => client.post(`/api/v1/webhooks/${made['webhook']}/rotate-secret`, {}) },
    { route: 'DELETE /api/v1/webhooks/:id', status: 204, actions: ['webhook.deleted'], call: ({ client, made }) => client.delete(`/api/v1/webhooks/${made['webhook']}`) },
    { route: 'POST /api/v1/webhooks/signing-secret', status: 201, actions: ['webhook_signing_secret.created'], call: ({ client }) => client.post('/api/v1/webhooks/signing-secret', {}) },
    { route: 'POST /api/v1/ingest/text', status: 202, actions: ['document.created'], call: ({ client }) => client.post('/api/v1/ingest/text', { title: fresh(), content: `Words of ${fresh()}.` }) },
    { route: 'POST /api/v1/ingest/file', status: 202, actions: ['document.created'], call: ({ client }) => client.upload(`Words of ${fresh()}.`, `${fresh()}.txt`) },
    {
      route: 'POST /api/v1/ingest/url', status: 202, actions: ['document.created'],
      call: ({ client }) => client.post('/api/v1/ingest/url', { url: site.serve(`/${fresh()}.html`, `<p>Words of ${fresh()}.</p>`) }), keep: { ofUrl: (body) => body['document_id'], task: (body) => body['task_id'] },
    },
    {
      route: 'POST /api/v1/ingest/batch', status: 202, actions: ['document.created', 'document.created'],
      call: ({ client }) => client.post('/api/v1/ingest/batch', { items: ['a', 'b'].map((title) => ({ title: `${title} ${fresh()}`, content: `Words of ${fresh()}.` })) }),
    },
    {
      route: 'POST /api/v1/documents/:id/refresh', status: 200, actions: ['document.replaced'],
      call: async ({ client, made }) => {
        expect(await waitForTask(client, made['task']!)).toMatchObject({ status: 'completed' });
        const { body } = await client.get(`/api/v1/documents/${made['ofUrl']}`);
        site.serve(new URL(body.source_url as string).pathname, `<p>Other words of ${fresh()}.</p>`);
        return client.post(`/api/v1/documents/${made['ofUrl']}/refresh`);
      },
    },
    {
      route: 'PATCH /api/v1/documents/:id', status: 200, actions: ['document.updated'],
      call: async (story) => {
        story.made['document'] = await ingestText(story.client, fresh(), `Words of ${fresh()}.`);
        return story.client.patch(`/api/v1/documents/${story.made['document']}`, { title: 'Another' });
      },
    },
    { route: 'POST /api/v1/documents/:id/deprecate', status: 200, actions: ['document.deprecated'], call: ({ client, made }) => client.post(`/api/v1/documents/${made['document']}/deprecate`) },
    { route: 'POST /api/v1/documents/:id/restore', status: 200, actions: ['document.restored'], call: ({ client, made }) => client.post(`/api/v1/documents/${made['document']}/restore`) },
    { route: 'POST /api/v1/documents/:id/reprocess', status: 202, actions: ['document.reprocessed'], call: ({ client, made }) => client.post(`/api/v1/documents/${made['document']}/reprocess`), keep: { task: (body) => body['task_id'] } },
    {
      route: 'DELETE /api/v1/documents/:id', status: 204, actions: ['document.deleted'],
      call: async ({ client, made }) => {
        await waitForTask(client, made['task']!);
        return client.delete(`/api/v1/documents/${made['document']}`);
      },
    },
    {
      route: 'POST /api/v1/documents/batch', status: 200, actions: ['document.deleted', 'document.deleted', 'document.deleted'],
      call: async ({ client }) => {
        const ids: string[] = [];
        for (let n = 0; n < 3; n++) ids.push(await ingestText(client, fresh(), `Words of ${fresh()}.`));
        return client.post('/api/v1/documents/batch', { operation: 'delete', document_ids: ids });
      },
    },
    {
      route: 'POST /api/v1/jobs/:id/cancel', status: 200, actions: ['document.failed', 'job.cancelled'],
      call: async (story) => {
        story.made['job'] = (await waiting(story)).id;
        return story.client.post(`/api/v1/jobs/${story.made['job']}/cancel`);
      },
    },
    { route: 'POST /api/v1/jobs/:id/retry', status: 202, actions: ['document.reprocessed', 'job.retried'], call: ({ client, made }) => client.post(`/api/v1/jobs/${made['job']}/retry`) },
    { route: 'DELETE /api/v1/ingest/:task_id', status: 200, actions: ['document.failed', 'job.cancelled'], call: ({ client, made }) => client.delete(`/api/v1/ingest/${made['job']}`) },
    {
      route: 'POST /api/v1/remote/jobs/:id/complete', status: 202, actions: ['job.text_received'],
      call: async (story) => story.client.post(`/api/v1/remote/jobs/${await leased(story)}/complete`, { attempt: story.made['attempt'], content: 'What was said.' }),
    },
    {
      route: 'POST /api/v1/remote/jobs/:id/fail', status: 200, actions: ['document.failed', 'job.failed'],
      call: async (story) => story.client.post(`/api/v1/remote/jobs/${await leased(story)}/fail`, { attempt: story.made['attempt'], code: 'silence', message: 'Nobody speaks.', retryable: false }),
    },
  ];

  /** Of people alone, and of the administrator; tried below. */
  const OTHER_STEPS = [
    'POST /auth/register', 'POST /auth/login', 'POST /auth/logout', 'PUT /auth/me', 'PUT /auth/settings', 'POST /auth/change-password', 'PATCH /admin/users/:id', 'PATCH /admin/tenants/:id', 'DELETE /admin/tenants/:id',
  ];

  it('is tried with every route that changes anything', () => {
    const changing = ROUTES.map(([route]) => route).filter((route) => !route.startsWith('GET ') && WITHOUT_ENTRY[route] === undefined);
    expect([...new Set([...STEPS.map(({ route }) => route), ...OTHER_STEPS])].toSorted()).toEqual(changing.toSorted());
  });

  describe.each(['a session', 'a key'])('of what is done with %s', (credential) => {
    let story: Story;
    let tenant: Tenant;
    let keyId: string | null;

    beforeAll(async () => {
      tenant = await createTenant(server.anonymous);
      const key = credential === 'a key' ? await createKey(tenant.client, ALL, { rate_limit_per_hour: 10_000 }) : null;
      keyId = key?.id ?? null;
      story = { client: key?.client ?? tenant.client, made: {} };
    });

    it.each(STEPS.map((step) => [step.route, step] as const))('has each change once, and who made it: %s', async (_, { call, status, actions, keep }) => {
      const answer = await call(story);
      expect([answer.status, answer.body]).toEqual([status, answer.body]);
      for (const [name, find] of Object.entries(keep ?? {})) story.made[name] = find(answer.body);
      const entries = await entriesOf(`tenant_id=${tenant.tenantId}&request_id=${requestOf(answer)}`);
      expect(entries.map(({ action }) => action).toSorted()).toEqual(actions);
      for (const entry of entries) {
        expect(entry).toMatchObject({ tenant_id: tenant.tenantId, actor: { type: keyId === null ? 'user' : 'api_key', id: tenant.userId }, api_key_id: keyId, result: 'success', ip: '127.0.0.1', user_agent: 'node' });
        expect(entry.target).toMatchObject({ type: expect.any(String), id: expect.any(String) });
        if (entry.target.type !== 'session') expect(Object.keys(entry.changes).length).toBeGreaterThan(0);
      }
    });
  });

  describe('of people', () => {
    it('has how somebody registers, signs in, changes the account and signs out, as that person', async () => {
      const email = `${fresh()}@example.com`;
      const registered = await server.anonymous.post('/auth/register', { name: 'Ada', email, password: PASSWORD });
      const { id } = registered.body as { id: string };
      const entered = await server.anonymous.post('/auth/login', { email, password: PASSWORD });
      const client = server.anonymous.asUser(entered.body.access_token);
      const seen: [Answer<unknown>, string[]][] = [
        [registered, ['database.created', 'database_server.created', 'user.registered']],
        [entered, ['auth.login']],
        [await client.put('/auth/me', { name: 'Ada King' }), ['user.updated']],
        [await client.put('/auth/settings', { theme: 'DARK' }), ['user.settings_changed']],
        [await client.post('/auth/change-password', { current_password: PASSWORD, new_password: 'canary-new-password' }), ['auth.password_changed']],
        [await client.post('/auth/logout', {}), ['auth.logout']],
      ];
      for (const [answer, actions] of seen) {
        const entries = await entriesOf(`request_id=${requestOf(answer)}`);
        expect(entries.map(({ action }) => action).toSorted()).toEqual(actions);
        for (const entry of entries) expect(entry).toMatchObject({ actor: { type: 'user', id }, api_key_id: null, result: 'success' });
      }
      const [change] = await entriesOf(`request_id=${requestOf(seen[2]![0])}`);
      expect(change).toMatchObject({ target: { type: 'user', id, name: 'Ada King' }, changes: { name: { from: 'Ada', to: 'Ada King' } } });
    });

    it('has a refresh token that came back, as what nobody can be named for', async () => {
      const { email } = await createTenant(server.anonymous);
      const { body } = await server.anonymous.post('/auth/login', { email, password: PASSWORD });
      await server.anonymous.post('/auth/refresh', { refresh_token: body.refresh_token });
      const replayed = await server.anonymous.post('/auth/refresh', { refresh_token: body.refresh_token });
      expect(replayed.status).toBe(401);
      expect(await entriesOf(`request_id=${requestOf(replayed)}`)).toEqual([expect.objectContaining({ action: 'auth.refresh_replayed', result: 'denied', actor: { type: 'anonymous', id: null } })]);
    });
  });

  it('has what the administrator does to a tenant in that tenant’s own list', async () => {
    const tenant = await createTenant(server.anonymous);
    const { id: adminId } = (await admin.get('/auth/me')).body;
    const calls: [() => Promise<Answer<unknown>>, string[]][] = [
      [() => admin.patch(`/admin/users/${tenant.userId}`, { role: 'VIEWER' }), ['auth.session_ended', 'user.role_changed']],
      [() => admin.patch(`/admin/users/${tenant.userId}`, { role: 'USER' }), ['user.role_changed']],
      [() => admin.patch(`/admin/tenants/${tenant.tenantId}`, { status: 'trial' }), ['tenant.status_changed']],
      [() => admin.patch(`/admin/tenants/${tenant.tenantId}`, { metadata: { plan: 'gold' } }), ['tenant.updated']],
      [() => admin.patch(`/admin/tenants/${tenant.tenantId}`, { quotas: [{ resource_type: 'databases', limit: 1 }] }), ['quota.changed', 'quota.exceeded', 'quota.warning']],
      [() => admin.patch(`/admin/tenants/${tenant.tenantId}`, { quotas: [{ resource_type: 'databases', limit: 10 }] }), ['quota.changed', 'quota.recovered']],
      [() => admin.patch(`/admin/users/${tenant.userId}`, { is_active: false }), ['user.deactivated']],
      [() => admin.patch(`/admin/users/${tenant.userId}`, { is_active: true }), ['user.reactivated']],
    ];
    for (const [call, actions] of calls) {
      const answer = await call();
      expect(answer.status).toBe(200);
      const entries = await entriesOf(`request_id=${requestOf(answer)}`);
      expect(entries.map(({ action }) => action).toSorted()).toEqual(actions);
      for (const entry of entries) expect(entry).toMatchObject({ tenant_id: tenant.tenantId, actor: { type: 'user', id: adminId } });
    }
    const client = server.anonymous.asUser(await signIn(server.anonymous, tenant.email, PASSWORD));
    const { body } = await client.get(`/api/v1/audit?actor_id=${adminId}&action=user.*`);
    expect(body.entries.map(({ action }: Entry) => action)).toEqual(['user.reactivated', 'user.deactivated', 'user.role_changed', 'user.role_changed']);
    const purge = await admin.delete(`/admin/tenants/${tenant.tenantId}?confirm=${tenant.tenantId}`);
    expect((await entriesOf(`request_id=${requestOf(purge)}`)).map(({ action }) => action).toSorted()).toEqual(['auth.session_ended', 'tenant.purge_requested', 'user.deactivated']);
  });

  it('has what the server does by itself, and an operator in the database, as the system’s', async () => {
    const { client, tenantId } = await createTenant(server.anonymous);
    const id = await ingestText(client, 'A page', 'Words that are found.');
    await server.database.query(`UPDATE documents SET title = 'By hand' WHERE id = $1`, [id]);
    const entries = await entriesOf(`tenant_id=${tenantId}&target_id=${id}`);
    expect(entries.map(({ action, actor, ip }) => [action, actor.type, ip])).toEqual([['document.updated', 'system', null], ['document.ingested', 'system', null], ['document.created', 'user', '127.0.0.1']]);
    expect(entries[0]!.changes).toEqual({ title: { from: 'A page', to: 'By hand' } });
  });

  it('has nothing of what was rolled back', async () => {
    const { client, tenantId } = await createTenant(server.anonymous);
    const { body: first } = await client.post('/api/v1/databases', { name: 'taken' });
    const before = await server.database.query('SELECT sequence FROM audit_links WHERE tenant_id = $1', [tenantId]);
    const refused = await client.post('/api/v1/databases', { name: 'taken' });
    expect(refused.status).toBe(409);
    await server.database.query(`DO $$ BEGIN UPDATE databases SET description = 'x' WHERE id = '${first.id}'; RAISE EXCEPTION 'undone'; EXCEPTION WHEN raise_exception THEN NULL; END $$`);
    expect(await entriesOf(`request_id=${requestOf(refused)}`)).toEqual([]);
    expect(await server.database.query('SELECT sequence FROM audit_links WHERE tenant_id = $1', [tenantId])).toEqual(before);
  });

  it('has one entry a document of a thousand that are changed at once', async () => {
    const { client, tenantId } = await createTenant(server.anonymous);
    const id = await ingestText(client, 'A page', 'Words to copy.');
    await server.database.query(
      `INSERT INTO documents SELECT (jsonb_populate_record(d, jsonb_build_object('id', gen_random_uuid(), 'content_checksum', n::text, 'state', 'FAILED'))).* FROM documents d, generate_series(1, 999) n WHERE d.id = $1`,
      [id],
    );
    await server.database.query(`UPDATE documents SET title = title || ' ' || id WHERE tenant_id = $1`, [tenantId]);
    const { body } = await client.get('/api/v1/audit?action=document.updated&include_total=true&limit=1');
    expect(body.total).toBe(1000);
    const [{ linked }] = (await server.database.query<{ linked: number }>('SELECT count(DISTINCT entry_id)::int AS linked FROM audit_links l JOIN audit_entries e ON e.id = l.entry_id WHERE e.action = $1 AND l.tenant_id = $2', ['document.updated', tenantId])) as [{ linked: number }];
    expect(linked).toBe(1000);
  });

  it('shows no more of a long value than its beginning', async () => {
    const { client } = await createTenant(server.anonymous);
    const id = await ingestText(client, 'A page', 'Words.');
    await client.patch(`/api/v1/documents/${id}`, { metadata: { long: 'x'.repeat(5000) } });
    const { body } = await client.get(`/api/v1/audit?target_id=${id}&action=document.updated`);
    expect(body.entries[0].changes.metadata.to).toHaveLength(1001);
  });

  it('has no password, key, token or secret of anything that went before', async () => {
    await forgetFailedSignIns(server);
    const { client, email } = await createTenant(server.anonymous);
    const { secret } = await createKey(client, ['read']);
    const { body } = await server.anonymous.post('/auth/login', { email, password: PASSWORD });
    const wrong = await server.anonymous.post('/auth/login', { email, password: 'canary-wrong-password' });
    expect(wrong.status).toBe(401);
    const hashes = await server.database.query<{ secret: string }>(
      `SELECT password_hash AS secret FROM users UNION ALL SELECT encode(key_hash, 'hex') FROM api_keys UNION ALL SELECT encode(token_hash, 'hex') FROM refresh_tokens UNION ALL SELECT encode(api_key, 'hex') FROM database_servers WHERE api_key IS NOT NULL`,
    );
    const secrets = [PASSWORD, 'canary', secret, body.access_token, body.refresh_token, ...hashes.map((row) => row.secret)];
    const [{ text }] = (await server.database.query<{ text: string }>(`SELECT string_agg(e::text, '') AS text FROM audit_entries e`)) as [{ text: string }];
    expect(text.length).toBeGreaterThan(10_000);
    expect(secrets.filter((word) => text.includes(word))).toEqual([]);
    expect(text).toContain('[redacted]');
  });
});
