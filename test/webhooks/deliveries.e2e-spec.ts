import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { Months } from '../../src/persistence/months.js';
import { DELIVERY_CHANNEL } from '../../src/webhooks/deliveries/delivery-channel.js';
import { DeliveryRetention } from '../../src/webhooks/deliveries/delivery-retention.js';
import { administrator, createKey, createTenant, eventually, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { insistOn } from '../support/insisting.js';
import { idMadeAt } from '../support/months.js';
import { TestApp } from '../support/test-app.js';
import { answering, Endpoint, hanging, register, verify } from '../support/webhook-receiver.js';
import { WebServer } from '../support/web-server.js';

interface SeenDelivery {
  id: string;
  message_id: string;
  status: string;
  attempt_count: number;
  next_attempt_at: string | null;
  attempts: { number: number; status_code: number | null; error: string | null; response: string | null; duration_ms: number }[];
}

/** Refuses, and is left alone for so long that no second attempt is made before the test lets the time pass: five seconds are over soon where the machine is busy. */
const refusing = answering(503, { 'retry-after': '3600' });

describe('deliveries', () => {
  let site: WebServer;
  let server: TestApp;
  let tenant: Tenant;
  let endpoint: Endpoint;
  let endpoints = 0;

  function newEndpoint(): Endpoint {
    const path = `/hook-${endpoints++}`;
    return new Endpoint(site.url(`${path}?token=in-the-query`), site, path);
  }

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
    endpoint = newEndpoint();
  });
  // What is left would be tried on and on, while others are waited for.
  afterEach(() => server.database.query('DELETE FROM webhook_deliveries'));

  /** As a trigger does. */
  async function publish(type: string, payload: object): Promise<void> {
    await server.database.query('INSERT INTO events (tenant_id, type, payload) VALUES ($1, $2, $3)', [tenant.tenantId, type, JSON.stringify(payload)]);
  }

  /** The clock of deliveries: what waits for its next attempt has waited long enough, and is looked for at once. */
  const letTimePass = (): Promise<unknown> =>
    server.database.query(
      `WITH due AS (UPDATE webhook_deliveries SET due_at = now() WHERE tenant_id = $1 AND status = 'pending' AND leased_until IS NULL) SELECT pg_notify('${DELIVERY_CHANNEL}', '')`,
      [tenant.tenantId],
    );

  /** What the endpoint has got and said was written down: before that, time passes for it in vain. */
  const answered = (): Promise<unknown> =>
    eventually(() => server.database.query(`SELECT FROM webhook_deliveries WHERE tenant_id = $1 AND status = 'pending' AND leased_until IS NOT NULL`, [tenant.tenantId]), ({ length }) => length === 0);

  /** Whatever happened until now was made deliveries of, or none. */
  const dispatched = (): Promise<unknown> => eventually(() => server.database.query('SELECT FROM events WHERE tenant_id = $1 AND dispatched_at IS NULL', [tenant.tenantId]), ({ length }) => length === 0);

  async function list(path: string, query = ''): Promise<SeenDelivery[]> {
    return (await tenant.client.get<{ deliveries: SeenDelivery[] }>(`${path}/deliveries${query}`)).body.deliveries;
  }
  const details = async (path: string, id: string): Promise<SeenDelivery> => (await tenant.client.get<SeenDelivery>(`${path}/deliveries/${id}`)).body;
  const newest = async (path: string): Promise<SeenDelivery> => details(path, (await list(path))[0]!.id);

  /** By the database's clock. */
  async function secondsUntil(time: string | null): Promise<number> {
    const [row] = await server.database.query<{ seconds: number }>('SELECT extract(epoch FROM $1::timestamptz - now())::float8 AS seconds', [time]);
    return row!.seconds;
  }

  /** The newest delivery once this attempt of it was written down. */
  async function afterAttempt(path: string, number: number): Promise<SeenDelivery> {
    await eventually(() => list(path), (seen) => seen.length > 0);
    return eventually(() => newest(path), ({ attempts }) => attempts.at(-1)?.number === number);
  }

  describe('tell what happens', () => {
    it('of a document and its job, in order, and signed', async () => {
      const { secret, path } = await register(tenant.client, endpoint);
      const documentId = await ingestText(tenant.client, 'Fossils', 'Some words.');
      await tenant.client.delete(`/api/v1/documents/${documentId}`);
      const received = await endpoint.got(4);
      expect(endpoint.types).toEqual(['job.started', expect.any(String), expect.any(String), 'document.deleted']);
      expect(endpoint.types.slice(1, 3).toSorted()).toEqual(['document.ingested', 'job.finished']);
      for (const each of received) expect(verify(secret, each)).toEqual(each.message);
      const ingested = received.find(({ message }) => message.type === 'document.ingested')!.message;
      expect(ingested).toEqual({
        type: 'document.ingested',
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        data: {
          id: documentId, title: 'Fossils', name: 'Fossils.md', type: 'md', state: 'INGESTED', version: 1, chunks: 1, size_bytes: 11, content_checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
          database_id: expect.any(String), job_id: expect.any(String), user_id: tenant.userId, processing_error: null, processed_at: expect.stringMatching(/Z$/), created_at: expect.stringMatching(/Z$/),
        },
      });
      const finished = received.find(({ message }) => message.type === 'job.finished')!.message.data;
      expect(finished).toMatchObject({ id: ingested.data['job_id'], document_id: documentId, status: 'FINISHED', error: null, attempt: 1, start_date: expect.stringMatching(/Z$/) });
      const seen = await eventually(() => list(path), (all) => all.every(({ status }) => status === 'delivered'));
      expect(seen.map(({ message_id }) => message_id).toSorted()).toEqual(endpoint.ids.toSorted());
    });

    it('of a document that cannot be read, and of a job that is cancelled', async () => {
      await register(tenant.client, endpoint, ['document.*', 'job.*']);
      const sent = await tenant.client.upload(' \n ', 'empty.txt');
      expect((await waitForTask(tenant.client, sent.body.task_id)).status).toBe('failed');
      await endpoint.got(3);
      expect(endpoint.types.toSorted()).toEqual(['document.failed', 'job.failed', 'job.started']);
      const failed = endpoint.received.find(({ message }) => message.type === 'document.failed')!.message.data;
      expect(failed).toMatchObject({ id: sent.body.document_id, state: 'FAILED', processing_error: { code: 'no_text' } });
    });

    it('of keys, without the key', async () => {
      await register(tenant.client, endpoint, ['api_key.*']);
      const key = await createKey(tenant.client, ['read']);
      const successor = await tenant.client.post(`/api/v1/api-keys/${key.id}/rotate`, { grace_seconds: 60 });
      await tenant.client.delete(`/api/v1/api-keys/${key.id}`);
      const received = await endpoint.got(3);
      const told = Object.fromEntries(received.map(({ message }) => [message.type, message.data]));
      expect(told).toMatchObject({ 'api_key.created': { id: key.id, permissions: ['read'], revoked_at: null }, 'api_key.rotated': { id: successor.body.api_key.id, rotated_from: key.id }, 'api_key.revoked': { id: key.id } });
      for (const secret of [key.secret, successor.body.secret_key as string]) for (const { text } of received) expect(text).not.toContain(secret);
    });

    it('of a quota that is crossed', async () => {
      await register(tenant.client, endpoint, ['quota.*']);
      await server.database.query(`UPDATE tenant_quotas SET used = hard_limit WHERE tenant_id = $1 AND resource = 'documents'`, [tenant.tenantId]);
      await endpoint.got(2);
      expect(endpoint.types.toSorted()).toEqual(['quota.exceeded', 'quota.warning']);
      expect(endpoint.received[0]!.message.data).toMatchObject({ resource: 'documents', level: 'reached', previous_level: 'below' });
    });

    it('to each endpoint what it asked for, and to nobody else', async () => {
      const [other, foreign, off] = [newEndpoint(), newEndpoint(), newEndpoint()];
      await register(tenant.client, endpoint, ['api_key.revoked', 'quota.*']);
      await register(tenant.client, other, ['api_key.created']);
      await register((await createTenant(server.anonymous)).client, foreign);
      const switchedOff = await register(tenant.client, off);
      await tenant.client.patch(switchedOff.path, { is_active: false });
      const key = await createKey(tenant.client, ['read']);
      await tenant.client.delete(`/api/v1/api-keys/${key.id}`);
      await Promise.all([endpoint.got(1), other.got(1)]);
      expect([endpoint.types, other.types, foreign.types, off.types]).toEqual([['api_key.revoked'], ['api_key.created'], [], []]);
      expect(await list(switchedOff.path)).toEqual([]);
    });

    it('and cost no event where nobody listens', async () => {
      await ingestText(tenant.client, 'Fossils', 'Some words.');
      await createKey(tenant.client, ['read']);
      expect(await server.database.query('SELECT type FROM events WHERE tenant_id = $1', [tenant.tenantId])).toEqual([]);
    });
  });

  describe('to the `webhook_url` of an ingest', () => {
    async function signingSecret(): Promise<string> {
      const { status, body } = await tenant.client.post('/api/v1/webhooks/signing-secret', {});
      expect(status).toBe(201);
      return body.secret as string;
    }

    /** None is made while `work` runs, however quick the worker is. */
    async function holdingBackDeliveries<T>(work: () => Promise<T>): Promise<T> {
      const holder = new pg.Client({ connectionString: server.database.superuserUrl });
      await holder.connect();
      try {
        await holder.query('BEGIN; LOCK TABLE webhook_deliveries IN SHARE MODE');
        return await work();
      } finally {
        await holder.end();
      }
    }

    it('tell once how it ended, signed with the tenant’s secret, also with the one before', async () => {
      const before = await signingSecret();
      const { accepted, after } = await holdingBackDeliveries(async () => {
        const sent = await tenant.client.upload('Some words.', 'a.txt', { fields: { webhook_url: endpoint.url } });
        expect(sent.status).toBe(202);
        return { accepted: sent, after: await signingSecret() };
      });
      const [received] = await endpoint.got(1);
      expect(received!.message).toMatchObject({ type: 'document.ingested', data: { id: accepted.body.document_id, job_id: accepted.body.task_id } });
      for (const secret of [before, after]) expect(() => verify(secret, received!)).not.toThrow();
      // Of what follows it is told nothing: that is another job, or none.
      const again = await tenant.client.post(`/api/v1/documents/${accepted.body.document_id}/reprocess`, {});
      await waitForTask(tenant.client, again.body.task_id);
      await tenant.client.delete(`/api/v1/documents/${accepted.body.document_id}`);
      await dispatched();
      // The endpoint has it before the answer is written down.
      const rows = await eventually(() => server.database.query('SELECT event_type, status FROM webhook_deliveries WHERE tenant_id = $1', [tenant.tenantId]), (all) => all.every(({ status }) => status !== 'pending'));
      expect(rows).toEqual([{ event_type: 'document.ingested', status: 'delivered' }]);
    });

    it('also tell of a failure, of a text, a URL and each item of a batch', async () => {
      const page = site.serve('/page.txt', 'A page of words.', { 'content-type': 'text/plain' });
      const webhook_url = endpoint.url;
      await tenant.client.upload(' \n ', 'empty.txt', { fields: { webhook_url } });
      await tenant.client.post('/api/v1/ingest/text', { title: 'Text', content: 'A text.', webhook_url });
      await tenant.client.post('/api/v1/ingest/url', { url: page, webhook_url });
      const batch = await tenant.client.post('/api/v1/ingest/batch', { items: [{ title: 'One', content: 'One.' }, { title: 'Two', content: 'Two.' }], webhook_url });
      expect(batch.body.tasks).toHaveLength(2);
      await endpoint.got(5);
      expect(endpoint.types.toSorted()).toEqual(['document.failed', ...Array.from({ length: 4 }, () => 'document.ingested')]);
      const secret = await signingSecret();
      const [{ secret: stored }] = (await server.database.query<{ secret: Buffer }>('SELECT secret FROM webhook_signing_secrets WHERE tenant_id = $1', [tenant.tenantId])) as [{ secret: Buffer }];
      expect(stored.includes(Buffer.from(secret))).toBe(false);
    });

    it('are refused before anything is taken in when the address may not be used', async () => {
      const webhook_url = 'http://10.0.0.1/';
      const refused = [
        await tenant.client.upload('Some words.', 'a.txt', { fields: { webhook_url } }),
        await tenant.client.post('/api/v1/ingest/url', { url: site.serve('/never.txt', 'never', { 'content-type': 'text/plain' }), webhook_url }),
        await tenant.client.post('/api/v1/ingest/batch', { items: [{ title: 'One', content: 'One.' }], webhook_url }),
      ];
      for (const answer of refused) expect(answer).toMatchObject({ status: 422, body: { code: 'url_not_allowed' } });
      expect(site.requests.filter(({ url }) => url === '/never.txt')).toEqual([]);
      expect(await server.database.query('SELECT FROM documents WHERE tenant_id = $1', [tenant.tenantId])).toEqual([]);
    });
  });

  describe('that fail', () => {
    it('are tried again under the same id and with the same body, later each time, until they are taken', async () => {
      const { secret, path } = await register(tenant.client, endpoint);
      endpoint.answer = answering(500, {}, 'not now');
      await publish('quota.warning', { resource: 'documents' });
      for (const [number, seconds] of [[1, 5], [2, 30], [3, 120]] as const) {
        const { status, attempts, next_attempt_at } = await afterAttempt(path, number);
        expect(attempts.at(-1)).toMatchObject({ number, status_code: 500, error: 'status', response: 'not now' });
        const waits = await secondsUntil(next_attempt_at);
        expect([status, waits > seconds * 0.9 - 20, waits < seconds * 1.1 + 1]).toEqual(['pending', true, true]);
        if (number === 3) endpoint.answer = answering(204);
        await letTimePass();
      }
      expect(await eventually(() => newest(path), ({ status }) => status === 'delivered')).toMatchObject({ attempt_count: 4, next_attempt_at: null, attempts: [{}, {}, {}, { number: 4, status_code: 204, error: null }] });
      await endpoint.got(4);
      expect(new Set(endpoint.ids).size).toBe(1);
      expect(new Set(endpoint.received.map(({ text }) => text)).size).toBe(1);
      for (const received of endpoint.received) expect(() => verify(secret, received)).not.toThrow();
    });

    it('wait as long as the endpoint asks, in seconds or until a date, though not for ever', async () => {
      const { path } = await register(tenant.client, endpoint);
      const inTenMinutes = new Date(Date.now() + 600_000).toUTCString();
      const cases = [[429, '300', 300], [503, inTenMinutes, 600], [503, '9999999', 4 * 3600], [500, '9999999', 600]] as const;
      for (const [at, [status, retryAfter, expected]] of cases.entries()) {
        endpoint.answer = answering(status, { 'retry-after': retryAfter });
        if (at === 0) await publish('quota.warning', { resource: 'documents' });
        else await letTimePass();
        const { attempts, next_attempt_at } = await afterAttempt(path, at + 1);
        expect(attempts.at(-1)).toMatchObject({ status_code: status });
        const waits = await secondsUntil(next_attempt_at);
        expect([waits > expected * 0.9 - 20, waits < expected * 1.1 + 1]).toEqual([true, true]);
      }
    });

    it('are given up after a day, and can be replayed under the same id', async () => {
      const { path } = await register(tenant.client, endpoint);
      endpoint.answer = refusing;
      await publish('quota.warning', { resource: 'documents' });
      await afterAttempt(path, 1);
      await server.database.query(`UPDATE webhook_deliveries SET give_up_at = now() WHERE tenant_id = $1`, [tenant.tenantId]);
      await letTimePass();
      const failed = await eventually(() => newest(path), ({ status }) => status === 'failed');
      expect(failed).toMatchObject({ attempt_count: 2, next_attempt_at: null });
      endpoint.answer = answering(200);
      expect(await tenant.client.post(`${path}/deliveries/${failed.id}/replay`)).toMatchObject({ status: 202, body: { status: 'pending', message_id: failed.message_id } });
      const replayed = await eventually(() => newest(path), ({ status }) => status === 'delivered');
      expect(replayed.attempts.map(({ number, status_code }) => [number, status_code])).toEqual([[1, 503], [2, 503], [3, 200]]);
      // And once more, although it was delivered.
      await tenant.client.post(`${path}/deliveries/${failed.id}/replay`);
      await endpoint.got(4);
      expect(new Set(endpoint.ids)).toEqual(new Set([failed.message_id]));
      expect(await list(path, '?status=failed')).toEqual([]);
      await eventually(() => list(path, '?status=delivered&event_type=quota.warning'), ({ length }) => length === 1);
      expect(await list(path, '?event_type=quota.exceeded')).toEqual([]);
    });

    it('switch an endpoint off at once that answers 410; what waits is sent when it is on again', async () => {
      const { path } = await register(tenant.client, endpoint);
      endpoint.answer = answering(410);
      await publish('quota.warning', { resource: 'documents' });
      expect(await eventually(() => tenant.client.get(path), ({ body }) => body.is_active === false)).toMatchObject({ body: { disabled_reason: 'gone', failing_since: expect.any(String) } });
      expect(await newest(path)).toMatchObject({ status: 'failed', attempts: [{ status_code: 410, error: 'gone' }] });
      await publish('quota.exceeded', { resource: 'documents' });
      await dispatched();
      const [{ id }] = (await list(path)) as [SeenDelivery];
      expect(await tenant.client.post(`${path}/deliveries/${id}/replay`)).toMatchObject({ status: 409, body: { code: 'webhook_inactive' } });
      await server.database.query(`UPDATE webhook_deliveries SET status = 'pending', ended_at = NULL WHERE tenant_id = $1`, [tenant.tenantId]);
      endpoint.answer = answering(200);
      expect(await tenant.client.patch(path, { is_active: true })).toMatchObject({ body: { is_active: true, disabled_reason: null, failing_since: null } });
      await endpoint.got(2);
      expect(endpoint.types).toEqual(['quota.warning', 'quota.warning']);
    });

    it('switch an endpoint off that takes nothing for five days, while one success begins them anew', async () => {
      const { id, path } = await register(tenant.client, endpoint);
      endpoint.answer = answering(500);
      await publish('quota.warning', { resource: 'documents' });
      await afterAttempt(path, 1);
      expect((await tenant.client.get(path)).body).toMatchObject({ is_active: true, failing_since: expect.any(String) });
      endpoint.answer = answering(200);
      await letTimePass();
      await eventually(() => tenant.client.get(path), ({ body }) => body.failing_since === null);
      await server.database.query(`UPDATE webhooks SET failing_since = now() - interval '5 days' WHERE id = $1`, [id]);
      endpoint.answer = answering(500);
      await publish('quota.warning', { resource: 'documents' });
      expect(await eventually(() => tenant.client.get(path), ({ body }) => body.is_active === false)).toMatchObject({ body: { disabled_reason: 'failing' } });
    });
  });

  describe('keep their order', () => {
    it('of one document while an earlier one fails, and hold up no other document', async () => {
      const { path } = await register(tenant.client, endpoint);
      const [stuck, other] = [randomUUID(), randomUUID()];
      endpoint.answer = (response, received) => (received.message.data['at'] === 1 ? refusing : answering(200))(response, received);
      await publish('job.started', { document_id: stuck, at: 1 });
      await afterAttempt(path, 1);
      await publish('job.finished', { document_id: stuck, at: 2 });
      await publish('document.ingested', { id: stuck, at: 3 });
      await publish('document.ingested', { id: other, at: 4 });
      await eventually(() => list(path, '?status=delivered'), ({ length }) => length === 1);
      await letTimePass();
      await endpoint.got(3);
      expect(endpoint.received.map(({ message }) => message.data['at'])).toEqual([1, 4, 1]);
      endpoint.answer = answering(200);
      await answered();
      await letTimePass();
      await endpoint.got(6);
      expect(endpoint.received.map(({ message }) => message.data['at']).slice(3)).toEqual([1, 2, 3]);
    });

    it('so that what was given up lets the next pass', async () => {
      const { path } = await register(tenant.client, endpoint);
      const id = randomUUID();
      endpoint.answer = (response, received) => (received.message.type === 'job.started' ? refusing : answering(200))(response, received);
      await publish('job.started', { document_id: id });
      await afterAttempt(path, 1);
      await publish('job.finished', { document_id: id });
      await server.database.query(`UPDATE webhook_deliveries SET give_up_at = now() WHERE tenant_id = $1 AND event_type = 'job.started'`, [tenant.tenantId]);
      await letTimePass();
      await eventually(() => list(path, '?status=delivered'), ({ length }) => length === 1);
      expect(endpoint.types).toEqual(['job.started', 'job.started', 'job.finished']);
    });
  });

  it('to an endpoint that hangs, a thousand of them, hold up no other endpoint of the same tenant', async () => {
    const stuck = newEndpoint();
    stuck.answer = hanging;
    const { id } = await register(tenant.client, stuck, ['api_key.created']);
    await server.database.query(
      `INSERT INTO webhook_deliveries (tenant_id, webhook_id, lane, event_type, event_at, data) SELECT tenant_id, id, id::text, 'api_key.created', now(), '{}' FROM webhooks, generate_series(1, 1000) WHERE id = $1`,
      [id],
    );
    await stuck.got(4);
    await register(tenant.client, endpoint, ['quota.*']);
    const began = Date.now();
    for (let at = 0; at < 5; at++) await publish('quota.warning', { at });
    await endpoint.got(5);
    // Long before one of those that hang gives up after fifteen seconds.
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(stuck.received).toHaveLength(4);
  });

  it('are not sent while the tenant lets nothing be sent, or is suspended, and wait', async () => {
    const admin = await administrator(server);
    const { path } = await register(tenant.client, endpoint);
    endpoint.answer = refusing;
    await publish('quota.warning', { at: 1 });
    await afterAttempt(path, 1);
    await tenant.client.patch('/api/v1/tenant/configuration', { enable_webhooks: false });
    await publish('quota.warning', { at: 2 });
    await letTimePass();
    await dispatched();
    expect(await list(path)).toHaveLength(1);
    await admin.patch(`/admin/tenants/${tenant.tenantId}`, { status: 'suspended', configuration: { enable_webhooks: null } });
    // Somebody else's, made later, is sent meanwhile.
    const [other, elsewhere] = [await createTenant(server.anonymous), newEndpoint()];
    await register(other.client, elsewhere);
    await createKey(other.client, ['read']);
    await elsewhere.got(1);
    expect(endpoint.received).toHaveLength(1);
    endpoint.answer = answering(200);
    await admin.patch(`/admin/tenants/${tenant.tenantId}`, { status: 'active' });
    await endpoint.got(2);
    expect(endpoint.received.map(({ message }) => message.data['at'])).toEqual([1, 1]);
  });

  it('end with their webhook, and are forgotten with their attempts 30 days after the end of their month', async () => {
    const { id, path } = await register(tenant.client, endpoint);
    endpoint.answer = refusing;
    await publish('quota.warning', { resource: 'documents' });
    await afterAttempt(path, 1);
    // In a month that ended less than 30 days ago, and in the one before.
    const times = [`now() - interval '30 days'`, `date_trunc('month', (now() - interval '30 days') AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '1 second'`];
    for (const time of times) {
      await server.database.query(
        `WITH delivery AS (INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, lane, event_type, event_at, data, status, created_at)
                           SELECT tenant_id, ${idMadeAt(time)}, id, id::text, 'quota.warning', ${time}, '{}', 'delivered', ${time} FROM webhooks WHERE id = $1 RETURNING tenant_id, id)
         INSERT INTO webhook_attempts SELECT tenant_id, id, 1, ${time}, 1, 200 FROM delivery`,
        [id],
      );
    }
    await insistOn(() => server.app.get(Months, { strict: false }).open());
    expect(await Promise.all((await list(path)).map(async (delivery) => (await details(path, delivery.id)).attempts.length))).toEqual([1, 1, 1]);
    await insistOn(() => server.app.get(DeliveryRetention, { strict: false }).run(new AbortController().signal));
    expect(await Promise.all((await list(path)).map(async (delivery) => (await details(path, delivery.id)).attempts.length))).toEqual([1, 1]);
    await tenant.client.delete(path);
    for (const table of ['webhook_deliveries', 'webhook_attempts']) expect(await server.database.query(`SELECT FROM ${table} WHERE tenant_id = $1`, [tenant.tenantId])).toEqual([]);
  });

  it('are gone with their tenant, and nothing is sent any more', async () => {
    const admin = await administrator(server);
    await register(tenant.client, endpoint);
    endpoint.answer = answering(500);
    await tenant.client.post('/api/v1/ingest/text', { title: 'Told', content: 'Some words.', webhook_url: newEndpoint().url });
    const tables = ['webhooks', 'webhook_signing_secrets', 'ingest_webhooks', 'webhook_deliveries', 'webhook_attempts'];
    const rows = async (): Promise<number[]> => Promise.all(tables.map(async (table) => (await server.database.query(`SELECT FROM ${table} WHERE tenant_id = $1`, [tenant.tenantId])).length));
    await eventually(rows, (counts) => counts.every((count) => count > 0));
    expect((await admin.delete(`/admin/tenants/${tenant.tenantId}?confirm=${tenant.tenantId}`)).status).toBe(202);
    const sent = endpoint.received.length;
    await letTimePass();
    await eventually(() => admin.get(`/admin/tenants/${tenant.tenantId}`), ({ status }) => status === 404, 25_000);
    expect(await rows()).toEqual([0, 0, 0, 0, 0]);
    // One may have been under way.
    expect(endpoint.received.length - sent).toBeLessThanOrEqual(1);
  });

  it('are counted for the operator', async () => {
    const { body } = await server.anonymous.get<string>('/metrics');
    expect(body).toMatch(/morag_webhook_deliveries_total\{result="delivered"\} [1-9]/);
    expect(body).toMatch(/morag_webhook_deliveries_total\{result="retried"\} [1-9]/);
    expect(body).toMatch(/morag_webhook_delivery_seconds_count [1-9]/);
  });
});
