import { once } from 'node:events';
import { get, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import pg from 'pg';
import { AuditRepository } from '../../src/audit/audit.repository.js';
import { Denials } from '../../src/audit/denials.service.js';
import type { ApiClient } from '../support/api-client.js';
import { administrator, createKey, createTenant, eventually, forgetFailedSignIns, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

/** The OpenAPI document describes them; here they are only read. */
type Json = any;

const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';
const ENTRIES = 12_000;

describe('reading the audit', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;
  let stranger: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
    [tenant, stranger] = [await createTenant(server.anonymous), await createTenant(server.anonymous)];
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  });
  afterAll(() => server.stop());

  const list = async (query = '', client = tenant.client): Promise<Json[]> => {
    const { status, body } = await client.get(`/api/v1/audit${query}`);
    expect([status, body]).toEqual([200, body]);
    return body.entries;
  };
  const exported = async (path: string, client: ApiClient): Promise<Json[]> => {
    const { status, headers, body } = await client.get<string>(path);
    expect([status, headers.get('content-type')]).toEqual([200, 'application/x-ndjson; charset=utf-8']);
    return body === '' ? [] : body.trimEnd().split('\n').map((line) => JSON.parse(line));
  };

  it('answers who did what to what, from where, and what changed, newest first', async () => {
    const { id } = await createKey(tenant.client, ['read'], { name: 'reader' });
    const changed = await tenant.client.patch(`/api/v1/api-keys/${id}`, { name: 'the reader' });
    const [entry] = await list('?limit=1');
    expect(entry).toEqual({
      id: expect.stringMatching(/^[\da-f-]{36}$/),
      actor: { type: 'user', id: tenant.userId },
      api_key_id: null,
      action: 'api_key.updated',
      target: { type: 'api_key', id, name: 'the reader' },
      result: 'success',
      ip: '127.0.0.1',
      user_agent: 'node',
      request_id: changed.headers.get('x-request-id'),
      changes: { name: { from: 'reader', to: 'the reader' } },
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const all = await list();
    const ids = all.map((each) => each.id as string);
    expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? 1 : -1)));
  });

  it('finds by every filter what it means, and nothing of another tenant', async () => {
    const key = await createKey(tenant.client, ['write', 'admin']);
    const { body: database } = await key.client.post('/api/v1/databases', { name: 'filtered' });
    const [entry] = await list(`?target_id=${database.id}`);
    const later = new Date(Date.parse(entry.created_at) + 1).toISOString();
    const earlier = new Date(Date.parse(entry.created_at) - 1).toISOString();
    const finding = [
      `actor_id=${tenant.userId}`, 'actor_type=api_key', `api_key_id=${key.id}`, 'action=database.created', 'action=database.*', 'target_type=database', `target_id=${database.id}`,
      'result=success', `request_id=${entry.request_id}`, 'ip=127.0.0.1', `created_after=${earlier}`, `created_before=${later}`,
    ];
    const missing = [
      `actor_id=${UNKNOWN}`, 'actor_type=system', `api_key_id=${UNKNOWN}`, 'action=database.deleted', 'action=webhook.*', 'target_type=user', `target_id=${UNKNOWN}`,
      'result=failed', `request_id=${UNKNOWN}`, 'ip=192.0.2.1', `created_after=${later}`, `created_before=${earlier}`,
    ];
    for (const query of finding) expect([query, (await list(`?limit=100&${query}`)).some(({ id }) => id === entry.id)]).toEqual([query, true]);
    for (const query of missing) expect([query, (await list(`?limit=100&${query}`)).some(({ id }) => id === entry.id)]).toEqual([query, false]);
    for (const query of finding) {
      expect([query, (await list(`?limit=100&${query}`, stranger.client)).some(({ id }) => id === entry.id)]).toEqual([query, false]);
      expect((await exported(`/api/v1/audit/export?${query}`, tenant.client)).some(({ id }) => id === entry.id)).toBe(true);
      expect((await exported(`/api/v1/audit/export?${query}`, stranger.client)).some(({ id }) => id === entry.id)).toBe(false);
    }
  });

  it('pages through everything once, and counts when it is asked to', async () => {
    const all = await exported('/api/v1/audit/export', tenant.client);
    const ids: string[] = [];
    let cursor = '';
    do {
      const { body } = await tenant.client.get(`/api/v1/audit?limit=3&include_total=true${cursor}`);
      expect(body.total).toBe(all.length);
      ids.push(...body.entries.map(({ id }: Json) => id));
      cursor = body.has_more ? `&cursor=${body.next_cursor}` : '';
    } while (cursor !== '');
    expect(ids).toEqual(all.map(({ id }) => id));
  });

  it('refuses what is no filter, and who may not look', async () => {
    for (const query of ['action=nonsense', 'action=%25', 'actor_id=me', 'actor_type=god', 'result=maybe', 'ip=here', 'created_after=yesterday', 'limit=1000']) {
      expect([query, (await tenant.client.get(`/api/v1/audit?${query}`)).status]).toEqual([query, 400]);
    }
    const { client } = await createKey(tenant.client, ['read', 'write', 'ingest', 'process', 'search']);
    for (const path of ['/api/v1/audit', '/api/v1/audit/export']) expect(await client.get(path)).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    for (const path of ['/admin/audit', '/admin/audit/export']) expect(await tenant.client.get(path)).toMatchObject({ status: 403, body: { code: 'forbidden_role' } });
  });

  it('shows a key that is bound to databases what was done with itself', async () => {
    const { body } = await tenant.client.post('/api/v1/databases', { name: 'cell' });
    const bound = await createKey(tenant.client, ['read', 'write', 'admin'], { database_ids: [body.id] });
    expect(await list('', bound.client)).toEqual([]);
    await bound.client.patch(`/api/v1/databases/${body.id}`, { description: 'Mine' });
    expect(await list('', bound.client)).toEqual([expect.objectContaining({ action: 'database.updated', api_key_id: bound.id })]);
    expect(await exported('/api/v1/audit/export', bound.client)).toHaveLength(1);
    expect(await list(`?actor_id=${tenant.userId}&api_key_id=${UNKNOWN}`, bound.client)).toEqual([]);
  });

  it('shows the administrator everybody’s, and what is of no tenant', async () => {
    await forgetFailedSignIns(server);
    const refused = await server.anonymous.post('/auth/login', { email: 'nobody@example.com', password: 'canary-for-nobody' });
    await server.app.get(Denials).record();
    const { body } = await admin.get(`/admin/audit?request_id=${refused.headers.get('x-request-id')}`);
    expect(body.entries).toEqual([expect.objectContaining({ tenant_id: null, action: 'auth.login', result: 'denied', actor: { type: 'anonymous', id: null }, ip: '127.0.0.1', changes: expect.objectContaining({ code: 'invalid_credentials', count: 1 }) })]);
    expect(JSON.stringify(body)).not.toContain('nobody@');
    for (const { tenantId } of [tenant, stranger]) {
      const lines = await exported(`/admin/audit/export?tenant_id=${tenantId}`, admin);
      expect(new Set(lines.map((line) => line.tenant_id))).toEqual(new Set([tenantId]));
      expect(lines.length).toBeGreaterThan(2);
    }
    const tenants = new Set((await exported('/admin/audit/export', admin)).map((line) => line.tenant_id));
    expect([null, tenant.tenantId, stranger.tenantId].filter((id) => !tenants.has(id))).toEqual([]);
  });

  describe('has refusals', () => {
    beforeAll(async () => {
      await forgetFailedSignIns(server);
      // From here on they are recorded when a test says so.
      await server.app.get(Denials).onApplicationShutdown();
    });

    it('of keys and people that are known, counted, and none of strangers', async () => {
      const { client, tenantId, email, userId } = await createTenant(server.anonymous);
      const weak = await createKey(client, ['read']);
      const revoked = await createKey(client, ['read']);
      const elsewhere = await createKey(client, ['read'], { allowed_ips: ['192.0.2.0/24'] });
      await client.delete(`/api/v1/api-keys/${revoked.id}`);
      for (let n = 0; n < 3; n++) expect((await weak.client.post('/api/v1/search', { query: 'x' })).status).toBe(403);
      expect((await revoked.client.get('/api/v1/documents')).status).toBe(401);
      expect((await elsewhere.client.get('/api/v1/documents')).status).toBe(403);
      expect((await client.get('/admin/tenants')).status).toBe(403);
      expect((await server.anonymous.post('/auth/login', { email, password: 'not-the-password' })).status).toBe(401);
      expect((await server.anonymous.get('/api/v1/documents')).status).toBe(401);
      expect((await server.anonymous.asApiKey(`${weak.secret}x`).get('/api/v1/documents')).status).toBe(401);
      expect(await list('?result=denied', client)).toEqual([]);
      await server.app.get(Denials).record();
      const seen = (await list('?result=denied', client)).map(({ action, actor, api_key_id, target, changes }) => [action, actor.type, actor.id, api_key_id, target.name ?? target.id, changes.code, changes.count]);
      const expected = [
        ['request.denied', 'api_key', userId, weak.id, 'POST /api/v1/search', 'insufficient_scope', 3],
        ['request.denied', 'api_key', userId, revoked.id, 'GET /api/v1/documents', 'invalid_credentials', 1],
        ['request.denied', 'api_key', userId, elsewhere.id, 'GET /api/v1/documents', 'ip_not_allowed', 1],
        ['request.denied', 'user', userId, null, 'GET /admin/tenants', 'forbidden_role', 1],
        ['auth.login', 'anonymous', null, null, userId, 'invalid_credentials', 1],
      ];
      expect(seen).toHaveLength(expected.length);
      expect(seen).toEqual(expect.arrayContaining(expected));
      // What goes on within the minute waits for the next one, and is written when the server stops.
      for (let n = 0; n < 50; n++) await weak.client.post('/api/v1/search', { query: 'x' });
      await server.app.get(Denials).record();
      expect(await list('?result=denied', client)).toHaveLength(expected.length);
      await server.app.get(Denials).onApplicationShutdown();
      expect((await list(`?result=denied&api_key_id=${weak.id}`, client)).map(({ changes }) => changes.count)).toEqual([50, 3]);
      expect((await server.database.query('SELECT FROM audit_links WHERE tenant_id = $1', [tenantId])).length).toBe((await exported('/api/v1/audit/export', client)).length);
    });

    it('of calls beyond a limit, and of a tenant that is suspended', async () => {
      const { client, tenantId } = await createTenant(server.anonymous);
      const key = await createKey(client, ['read'], { rate_limit_per_hour: 1 });
      await staysWithinTheHour(10_000);
      for (let n = 0; n < 3; n++) await key.client.get('/api/v1/documents');
      await setLimits(admin, { tenantId }, { databases: 1 });
      expect((await client.post('/api/v1/databases', { name: 'one-more' })).status).toBe(429);
      await admin.patch(`/admin/tenants/${tenantId}`, { status: 'suspended' });
      expect((await client.get('/api/v1/documents')).status).toBe(403);
      await server.app.get(Denials).record(true);
      const { body } = await admin.get(`/admin/audit?tenant_id=${tenantId}&result=denied`);
      expect(body.entries.map(({ changes }: Json) => [changes.code, changes.count]).toSorted(byText)).toEqual([['quota_exceeded', 1], ['rate_limited', 2], ['tenant_suspended', 1]]);
    });

    it('of a tenant that is gone no more', async () => {
      const gone = await createTenant(server.anonymous);
      await gone.client.get('/admin/tenants');
      await server.database.query('DELETE FROM databases WHERE tenant_id = $1', [gone.tenantId]);
      await server.database.query('DELETE FROM tenants WHERE id = $1', [gone.tenantId]);
      await server.app.get(Denials).record(true);
      expect(await server.database.query(`SELECT FROM audit_entries WHERE tenant_id = $1 AND result = 'denied'`, [gone.tenantId])).toEqual([]);
    });
  });

  describe('of a tenant with many entries', () => {
    let many: Tenant;

    beforeAll(async () => {
      many = await createTenant(server.anonymous);
      const superuser = new pg.Client({ connectionString: server.database.superuserUrl });
      await superuser.connect();
      // Without their links, which nobody asks for here.
      await superuser.query('SET session_replication_role = replica');
      await superuser.query(
        `INSERT INTO audit_entries (tenant_id, actor_type, action, target_type, changes) SELECT $1, 'system', 'document.updated', 'document', jsonb_build_object('title', jsonb_build_object('from', repeat('x', 2000), 'to', n)) FROM generate_series(1, $2::int) n`,
        [many.tenantId, ENTRIES],
      );
      await superuser.query('ANALYZE audit_entries');
      await superuser.end();
    });

    it('exports all of them', async () => {
      const lines = await exported('/api/v1/audit/export?action=document.updated', many.client);
      expect(lines).toHaveLength(ENTRIES);
      expect(new Set(lines.map(({ id }) => id)).size).toBe(ENTRIES);
    });

    it('reads no further than the client takes, and stops when it hangs up', async () => {
      const repository = server.app.get(AuditRepository, { strict: false });
      const original = repository.listNewestFirst.bind(repository);
      let ended = 0;
      const read = jest.spyOn(repository, 'listNewestFirst').mockImplementation((...args) => original(...args).finally(() => ended++));
      const pages = (): number => read.mock.calls.length;
      const pending = (): boolean => ended < pages();
      /** Once nothing more was read for a while, in which the answer did not move and no page was on its way: one that takes long is no rest. */
      const atRest = async (isStill: () => boolean): Promise<number> => {
        let seen = -1;
        await eventually(async () => {
          const before = pages();
          const wasStill = isStill() && !pending();
          await delay(300);
          seen = pages();
          return wasStill && isStill() && !pending() && seen === before;
        }, (rests) => rests);
        return seen;
      };
      const answering = once(server.app.getHttpServer(), 'request') as Promise<[IncomingMessage, ServerResponse]>;
      const request = get(`${server.url}/api/v1/audit/export`, { headers: { authorization: `Bearer ${many.token}` } });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.pause();
      const [, answer] = await answering;
      const taken = await atRest(() => answer.writableNeedDrain);
      expect(taken).toBeGreaterThan(0);
      expect(taken).toBeLessThan(ENTRIES / 500 / 2);
      response.destroy();
      expect(await atRest(() => answer.closed)).toBeLessThanOrEqual(taken + 1);
      read.mockRestore();
      expect((await many.client.get('/api/v1/audit?limit=1')).status).toBe(200);
    });
  });
});

const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
