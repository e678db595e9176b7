import pg from 'pg';
import { createKey, createTenant, eventually, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';
import { WebServer } from '../support/web-server.js';
import { answering, Endpoint, register, verify } from '../support/webhook-receiver.js';

const WEBHOOKS = '/api/v1/webhooks';

describe('a webhook', () => {
  let site: WebServer;
  let server: TestApp;
  let tenant: Tenant;
  let endpoint: Endpoint;
  let endpoints = 0;

  beforeAll(async () => {
    site = await WebServer.start();
    server = await TestApp.start({ OUTBOUND_ALLOW: site.host });
  });
  afterAll(async () => {
    await server.stop();
    await site.stop();
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    const path = `/hook-${endpoints++}`;
    endpoint = new Endpoint(site.url(path), site, path);
  });

  it('is registered, listed, read, changed and removed, and shows its secret only when it is made', async () => {
    const created = await tenant.client.post(WEBHOOKS, { url: endpoint.url, events: ['document.*', 'job.failed'], description: 'the wiki' });
    expect(created).toMatchObject({ status: 201, body: { secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/) } });
    const { webhook } = created.body;
    expect(webhook).toEqual({
      id: expect.any(String), url: endpoint.url, events: ['document.*', 'job.failed'], description: 'the wiki', is_active: true, disabled_reason: null, failing_since: null,
      previous_secret_expires_at: null, created_at: expect.any(String), updated_at: expect.any(String),
    });
    const second = await register(tenant.client, endpoint);
    const list = await tenant.client.get(`${WEBHOOKS}?limit=1`);
    expect(list.body).toMatchObject({ webhooks: [{ id: second.id }], has_more: true });
    expect((await tenant.client.get(`${WEBHOOKS}?limit=1&cursor=${list.body.next_cursor}`)).body).toMatchObject({ webhooks: [webhook], has_more: false });
    const path = `${WEBHOOKS}/${webhook.id}`;
    expect(await tenant.client.get(path)).toMatchObject({ status: 200, body: webhook });
    expect(await tenant.client.patch(path, { description: null, is_active: false })).toMatchObject({ status: 200, body: { ...webhook, description: null, is_active: false, updated_at: expect.any(String) } });
    expect(await tenant.client.put(path, { events: ['*'] })).toMatchObject({ status: 200, body: { events: ['*'], url: endpoint.url, is_active: false } });
    expect((await tenant.client.delete(path)).status).toBe(204);
    for (const gone of [tenant.client.get(path), tenant.client.patch(path, {}), tenant.client.delete(path), tenant.client.post(`${path}/test`), tenant.client.get(`${path}/deliveries`)]) {
      expect(await gone).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
  });

  it('is removed also while it is being written down what came of an attempt', async () => {
    const { id, path } = await register(tenant.client, endpoint);
    await server.database.query(
      `INSERT INTO webhook_deliveries (tenant_id, webhook_id, lane, event_type, event_at, data, due_at) SELECT tenant_id, id, id::text, 'api_key.created', now(), '{}', 'infinity' FROM webhooks WHERE id = $1`,
      [id],
    );
    // As a sender does: first of the delivery, then of its webhook.
    const sender = new pg.Client({ connectionString: server.database.superuserUrl });
    await sender.connect();
    try {
      await sender.query('BEGIN');
      await sender.query('UPDATE webhook_deliveries SET failures = 1 WHERE webhook_id = $1', [id]);
      const removal = tenant.client.delete(path);
      await eventually(() => server.database.query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`), (waiting) => waiting.length > 0);
      await sender.query('UPDATE webhooks SET failing_since = now() WHERE id = $1', [id]);
      await sender.query('COMMIT');
      expect((await removal).status).toBe(204);
      expect(await server.database.query('SELECT FROM webhook_deliveries WHERE webhook_id = $1', [id])).toEqual([]);
    } finally {
      await sender.end();
    }
  });

  it.each([
    ['no events', { events: [] }],
    ['an event that there is not', { events: ['document.read'] }],
    ['an event twice', { events: ['*', '*'] }],
    ['no URL', { url: 'not a url' }],
    ['a description that is too long', { description: 'x'.repeat(501) }],
    ['an unknown field', { secret: 'whsec_mine' }],
  ])('is refused with %s', async (_, change) => {
    expect(await tenant.client.post(WEBHOOKS, { url: endpoint.url, events: ['*'], ...change })).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
  });

  it.each(['http://127.0.0.1:1/', 'http://169.254.169.254/latest/meta-data', 'http://[::1]/', 'http://0x7f000001/', 'https://nowhere.invalid/', 'ftp://93.184.215.14/', 'https://me:secret@93.184.215.14/'])(
    'is refused with an address that may not be used, whether it is blocked or unknown, when it is made and when it is changed: %s',
    async (url) => {
      const { path } = await register(tenant.client, endpoint);
      const answers = [await tenant.client.post(WEBHOOKS, { url, events: ['*'] }), await tenant.client.patch(path, { url }), await tenant.client.post('/api/v1/ingest/text', { title: 'x', content: 'x', webhook_url: url })];
      for (const answer of answers) expect(answer).toMatchObject({ status: 422, body: { code: 'url_not_allowed', detail: 'The URL cannot be reached, or may not be used here.' } });
      expect((await tenant.client.get(path)).body.url).toBe(endpoint.url);
      expect((await tenant.client.get('/api/v1/documents')).body.documents).toEqual([]);
    },
  );

  it('is one of twenty at most, however many are made at once', async () => {
    const made = await Promise.all(Array.from({ length: 24 }, () => tenant.client.post(WEBHOOKS, { url: endpoint.url, events: ['*'] })));
    const refused = made.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(4);
    for (const answer of refused) expect(answer).toMatchObject({ status: 409, body: { code: 'too_many_webhooks', limit: 20 } });
  });

  it('needs `write` to be changed and `read` to be read, and is hidden from keys that are bound to databases', async () => {
    const { path, id } = await register(tenant.client, endpoint);
    const reader = await createKey(tenant.client, ['read']);
    expect((await reader.client.get(WEBHOOKS)).body.webhooks).toMatchObject([{ id }]);
    const body = { url: endpoint.url, events: ['*'] };
    for (const refused of [reader.client.post(WEBHOOKS, body), reader.client.patch(path, {}), reader.client.post(`${path}/rotate-secret`, {}), reader.client.post(`${WEBHOOKS}/signing-secret`, {})]) {
      expect(await refused).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    }
    const database = await tenant.client.post('/api/v1/databases', { name: 'cell' });
    const bound = await createKey(tenant.client, ['read', 'write', 'admin'], { database_ids: [database.body.id] });
    expect((await bound.client.get(WEBHOOKS)).body.webhooks).toEqual([]);
    expect((await bound.client.get(path)).status).toBe(404);
    for (const refused of [bound.client.post(WEBHOOKS, body), bound.client.post(`${WEBHOOKS}/signing-secret`, {})]) expect(await refused).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
  });

  it('is tested by a message that the reference library verifies', async () => {
    const { id, secret, path } = await register(tenant.client, endpoint);
    endpoint.answer = answering(200, {}, `thanks ${'x'.repeat(5000)}`);
    const tested = await tenant.client.post(`${path}/test`);
    expect(tested).toMatchObject({ status: 200, body: { success: true, status_code: 200, error: null, response: expect.stringMatching(/^thanks x+$/) } });
    expect(tested.body.response).toHaveLength(1024);
    const [received] = endpoint.received;
    expect(verify(secret, received!)).toMatchObject({ type: 'webhook.test', data: { webhook_id: id } });
    expect(endpoint.ids).toEqual([tested.body.message_id]);
    expect(received!.headers['content-type']).toBe('application/json');
  });

  it('is told what failed in a test, follows no redirect, and is not switched off by it', async () => {
    const { path } = await register(tenant.client, endpoint);
    const elsewhere = new Endpoint(site.url('/elsewhere'), site, '/elsewhere');
    for (const [status, error] of [[500, 'status'], [302, 'redirect'], [307, 'redirect'], [410, 'gone']] as const) {
      endpoint.answer = answering(status, { location: elsewhere.url });
      expect((await tenant.client.post(`${path}/test`)).body).toMatchObject({ success: false, status_code: status, error });
    }
    endpoint.answer = (response) => response.destroy();
    expect((await tenant.client.post(`${path}/test`)).body).toMatchObject({ success: false, status_code: null, error: 'unreachable', response: null });
    expect(elsewhere.received).toEqual([]);
    expect((await tenant.client.get(path)).body).toMatchObject({ is_active: true, failing_since: null });
  });

  it('is not tested while the tenant lets nothing be sent', async () => {
    const { path } = await register(tenant.client, endpoint);
    await tenant.client.patch('/api/v1/tenant/configuration', { enable_webhooks: false });
    expect(await tenant.client.post(`${path}/test`)).toMatchObject({ status: 409, body: { code: 'webhooks_disabled' } });
    expect(endpoint.received).toEqual([]);
  });

  it('signs with both secrets after a rotation until the grace is over, and with the new one alone then', async () => {
    const { id, secret: first, path } = await register(tenant.client, endpoint);
    const { body } = await tenant.client.post(`${path}/rotate-secret`, { grace_seconds: 60 });
    expect(body.webhook.previous_secret_expires_at).not.toBeNull();
    await tenant.client.post(`${path}/test`);
    for (const secret of [first, body.secret as string]) expect(() => verify(secret, endpoint.received[0]!)).not.toThrow();
    await server.database.query('UPDATE webhooks SET previous_secret_until = now() WHERE id = $1', [id]);
    expect((await tenant.client.get(path)).body.previous_secret_expires_at).toBeNull();
    await tenant.client.post(`${path}/test`);
    expect(() => verify(body.secret as string, endpoint.received[1]!)).not.toThrow();
    expect(() => verify(first, endpoint.received[1]!)).toThrow('No matching signature found');
    const last = (await tenant.client.post(`${path}/rotate-secret`, { grace_seconds: 0 })).body.secret as string;
    await tenant.client.post(`${path}/test`);
    expect(() => verify(last, endpoint.received[2]!)).not.toThrow();
    expect(() => verify(body.secret as string, endpoint.received[2]!)).toThrow('No matching signature found');
  });

  it('keeps its secrets where nobody reads them: sealed in their rows, and in no answer', async () => {
    const { id, secret, path } = await register(tenant.client, endpoint);
    await tenant.client.post(`${path}/rotate-secret`, {});
    const raw = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const [row] = await server.database.query<{ secret: Buffer; previous: Buffer; text: string }>('SELECT secret, previous_secret AS previous, to_jsonb(w)::text AS text FROM webhooks w WHERE id = $1', [id]);
    for (const stored of [row!.secret, row!.previous]) for (const clear of [raw, Buffer.from(secret)]) expect(stored.includes(clear)).toBe(false);
    const answers = [await tenant.client.get(path), await tenant.client.get(WEBHOOKS), await tenant.client.patch(path, {})];
    for (const { body } of answers) expect(JSON.stringify(body)).not.toContain('whsec_');
    // A secret that was moved into another row does not open there.
    const other = await register(tenant.client, endpoint);
    await server.database.query('UPDATE webhooks SET secret = $2 WHERE id = $1', [other.id, row!.secret]);
    expect((await tenant.client.post(`${other.path}/test`)).body).toMatchObject({ success: false, error: 'secret_unreadable' });
    expect(await tenant.client.post(`${other.path}/rotate-secret`, {})).toMatchObject({ status: 409, body: { code: 'secret_unreadable' } });
    expect((await tenant.client.post(`${other.path}/rotate-secret`, { grace_seconds: 0 })).status).toBe(200);
  });
});
