import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { AuditVerification } from '../../src/audit/audit-verification.js';
import { VectorStore } from '../../src/databases/vector-stores/vector-store.js';
import { makePdf } from '../fixtures/make.js';
import type { ApiClient } from '../support/api-client.js';
import { blobsOf } from '../support/disk.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { administrator, changeStanding, createKey, createTenant, eventually, forgetFailedSignIns, ingestText, PASSWORD, signIn, waitForTask, type Tenant } from '../support/factories.js';
import { multipart } from '../support/raw-http.js';
import type { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';

const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';
const BOUNDARY = 'xYzZY';

/** Under which failed sign-ins are counted. */
const accountOf = (email: string): string => `account:${createHash('sha256').update(email).digest('hex')}`;

interface Furnished extends Tenant {
  key: { id: string; client: ApiClient };
  word: string;
}

describe('the purge of a tenant', () => {
  let server: TestApp;
  let embeddings: EmbeddingServer;
  let admin: ApiClient;

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    server = await TestApp.start(embeddings.env);
    admin = await administrator(server);
  });
  afterAll(async () => {
    await server.stop();
    await embeddings.stop();
  });

  const pathOf = ({ tenantId }: Pick<Tenant, 'tenantId'>): string => `/admin/tenants/${tenantId}`;
  const purge = ({ tenantId }: Pick<Tenant, 'tenantId'>, at = admin) => at.delete(`/admin/tenants/${tenantId}?confirm=${tenantId}`);
  const gone = (tenant: Tenant, timeoutMs?: number) => eventually(() => admin.get(pathOf(tenant)), ({ status }) => status === 404, timeoutMs);

  /** From the catalogue, so that a table which is added later is looked at, too; all but the audit, which outlives its tenant. */
  async function tablesOfTenants(): Promise<string[]> {
    const rows = await server.database.query<{ name: string }>(
      `SELECT c.table_name AS name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE c.table_schema = 'public' AND c.column_name = 'tenant_id' AND t.table_type = 'BASE TABLE' AND c.table_name NOT LIKE 'audit\\_%' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  }

  async function count(sql: string, values: unknown[]): Promise<number> {
    return (await server.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${sql}`, values))[0]!.n;
  }

  /** Rows in every table there is, queue entries, files and collections. */
  async function tracesOf({ tenantId, userId }: Tenant): Promise<Record<string, number>> {
    const traces: Record<string, number> = { tenants: await count('tenants WHERE id = $1', [tenantId]) };
    for (const table of await tablesOfTenants()) traces[table] = await count(`${table} WHERE tenant_id = $1`, [tenantId]);
    traces['queue'] = await count(`pgboss.job WHERE data ->> 'tenantId' = $1::text OR group_id = $1::text OR data::text LIKE '%' || $1 || '%'`, [tenantId]);
    traces['files'] = (await blobsOf(server)).filter((name) => name.startsWith(tenantId)).length;
    traces['directories'] = existsSync(path.join(server.dataDir, 'blobs', tenantId)) ? 1 : 0;
    traces['collections'] = (await readdir(path.join(server.dataDir, 'vectors'))).filter((name) => name.startsWith(`user_${userId}_`)).length;
    return traces;
  }

  const without = (traces: Record<string, number>): string[] => Object.keys(traces).filter((name) => traces[name] === 0);
  const remaining = async (tenant: Tenant): Promise<Record<string, number>> => Object.fromEntries(Object.entries(await tracesOf(tenant)).filter(([, n]) => n > 0));

  /** A tenant with something of everything. */
  async function furnish(word: string): Promise<Furnished> {
    const tenant = await createTenant(server.anonymous);
    const { client, tenantId } = tenant;
    await client.post('/api/v1/databases', { name: 'contracts' });
    await client.post('/api/v1/databases', { name: 'never-used' });
    await ingestText(client, 'First', `The ${word} could fly. ${'More of it. '.repeat(200)}`, { chunk_size: 200, chunk_overlap: 20 });
    await ingestText(client, 'Second', `Contracts about the ${word}.`, { database: 'contracts' });
    const failed = await client.upload(makePdf(['']), 'blank.pdf');
    await waitForTask(client, failed.body.task_id);
    const old = await createKey(client, ['read']);
    expect((await client.post(`/api/v1/api-keys/${old.id}/rotate`, { grace_seconds: 60 })).status).toBe(201);
    const key = await createKey(client, ['read', 'ingest', 'search']);
    expect((await key.client.get('/auth/me')).status).toBe(200);
    await signIn(server.anonymous, tenant.email, PASSWORD);
    await client.patch('/api/v1/tenant/configuration', { default_chunk_size: 1500 });
    await eventually(() => count('usage_hourly WHERE tenant_id = $1 AND api_key_id = $2', [tenantId, key.id]), (rows) => rows > 0);
    await server.database.query(`INSERT INTO usage_daily (tenant_id, day, api_key_id, route, status_class, requests, duration_ms, bytes_in, bytes_out, latency)
      SELECT $1, '2026-01-01'::date + n, $1, 'GET /', 2, 1, 1, 0, 0, '{}' FROM generate_series(1, 1200) n`, [tenantId]);
    return { ...tenant, key, word };
  }

  /** Lets one call of the method wait, as a process does that was stopped in the middle of it. */
  function hold(method: 'ensureCollection'): { reached: Promise<void>; release: () => void } {
    const store = server.app.get(VectorStore, { strict: false });
    const original = store[method].bind(store);
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store[method] = async (...args) => {
      store[method] = original;
      reached.resolve();
      await released.promise;
      return original(...args);
    };
    return { reached: reached.promise, release: () => released.resolve() };
  }

  async function vectorsOf({ userId, tenantId }: Tenant): Promise<number[]> {
    const store = server.app.get(VectorStore, { strict: false });
    return Promise.all(['default', 'contracts'].map((name) => store.count(`user_${userId}_${name}`, tenantId)));
  }

  async function found({ client, word }: Furnished): Promise<unknown> {
    const { status, body } = await client.post('/api/v1/search', { query: word, mode: 'keyword' });
    expect(status).toBe(200);
    return body.results.map((hit: { chunk_id: string }) => hit.chunk_id);
  }

  const lockedOut = async (tenant: Furnished, { anonymous }: TestApp): Promise<void> => {
    for (const client of [anonymous.asUser(tenant.token), anonymous.asApiKey(await secretOf(tenant))]) {
      for (const route of ['/api/v1/documents', '/api/v1/tenant/info', '/auth/me']) expect(await client.get(route)).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    }
  };
  const secrets = new Map<string, string>();
  const secretOf = async ({ tenantId }: Tenant): Promise<string> => secrets.get(tenantId)!;

  describe('with documents, keys, sessions, usage and a worker at work', () => {
    let tenant: Furnished;
    let neighbour: Furnished;
    let second: TestApp;
    let worker: { reached: Promise<void>; release: () => void } | undefined;
    let before: { traces: Record<string, number>; vectors: number[]; found: unknown };
    let refreshToken: string;

    /** Neither the count of its calls nor the sessions that the test itself opens. */
    const steady = ({ usage_hourly: _, sessions: __, refresh_tokens: ___, ...rest }: Record<string, number>): Record<string, number> => rest;

    beforeAll(async () => {
      second = await server.beside({ ...embeddings.env, ROLE: 'api' });
      tenant = await furnish('quetzalcoatlus');
      neighbour = await furnish('archaeopteryx');
      const key = await tenant.client.post('/api/v1/api-keys', { name: 'remembered', permissions: ['read'] });
      secrets.set(tenant.tenantId, key.body.secret_key);
      refreshToken = (await server.anonymous.post('/auth/login', { email: tenant.email, password: PASSWORD })).body.refresh_token;
      expect(await server.anonymous.post('/auth/login', { email: tenant.email, password: 'a-wrong-password' })).toMatchObject({ status: 401 });
      before = { traces: await tracesOf(neighbour), vectors: await vectorsOf(neighbour), found: await found(neighbour) };
      for (const at of [second, server]) expect((await at.anonymous.asApiKey(secrets.get(tenant.tenantId)!).get('/api/v1/documents')).status).toBe(200);
    });
    afterAll(async () => {
      worker?.release();
      await second.app.close();
    });

    it('has something to remove everywhere', async () => {
      const expected = ['tenants', 'users', 'user_settings', 'tenant_quotas', 'sessions', 'refresh_tokens', 'api_keys', 'database_servers', 'databases', 'documents', 'document_chunks', 'jobs', 'usage_hourly', 'usage_daily', 'queue', 'files', 'directories', 'collections'];
      expect(without(await tracesOf(tenant)).filter((name) => expected.includes(name))).toEqual([]);
      expect(Object.keys(await tracesOf(tenant))).toEqual(expect.arrayContaining(expected));
    });

    it('lets nobody in from the moment it is answered, on any server, and waits for the worker', async () => {
      worker = hold('ensureCollection');
      expect((await tenant.client.post('/api/v1/ingest/text', { title: 'Held', content: 'A worker is at it.' })).status).toBe(202);
      await worker.reached;
      expect(await count('login_attempts WHERE subject = $1', [accountOf(tenant.email)])).toBe(1);
      const answer = await purge(tenant);
      expect(answer).toMatchObject({ status: 202, body: { tenant_id: tenant.tenantId, status: 'purging', purge_requested_at: expect.any(String) } });
      await lockedOut(tenant, server);
      await lockedOut(tenant, second);
      const { email } = tenant;
      for (const at of [server.anonymous, second.anonymous]) {
        const known = await at.post('/auth/login', { email, password: PASSWORD });
        const unknown = await at.post('/auth/login', { email: 'nobody@example.com', password: PASSWORD });
        expect(known.status).toBe(401);
        expect({ ...known.body, request_id: '' }).toEqual({ ...unknown.body, request_id: '' });
        expect(await at.post('/auth/refresh', { refresh_token: refreshToken })).toMatchObject({ status: 401 });
        expect(await at.post('/auth/register', { name: 'Ada', email, password: PASSWORD })).toMatchObject({ status: 409, body: { code: 'email_taken' } });
      }

      const [at] = [answer.body.purge_requested_at];
      expect(await admin.get(pathOf(tenant))).toMatchObject({ status: 200, body: { status: 'inactive', purge_requested_at: at } });
      expect((await admin.get(`/admin/tenants?email_contains=${email}`)).body.tenants).toMatchObject([{ tenant_id: tenant.tenantId, purge_requested_at: at }]);
      expect(await purge(tenant)).toMatchObject({ status: 202, body: { purge_requested_at: at } });
      for (const change of [{ status: 'active' }, { metadata: {} }, { quotas: [{ resource_type: 'documents', limit: 5 }] }, { configuration: { enable_webhooks: true } }, {}]) {
        expect(await admin.patch(pathOf(tenant), change)).toMatchObject({ status: 409, body: { code: 'tenant_purging' } });
      }
      expect(await admin.patch(`/admin/users/${tenant.userId}`, { is_active: true })).toMatchObject({ status: 409, body: { code: 'tenant_purging' } });
    });

    it('leaves nothing anywhere once the worker has noticed, and the address may be registered again', async () => {
      // The rows go at once; what the worker may still write to is left until it has let go.
      await eventually(() => remaining(tenant), (left) => left['documents'] === undefined && left['databases'] === undefined);
      expect(await remaining(tenant)).toMatchObject({ tenants: 1, users: 1, collections: 3 });
      worker!.release();
      await gone(tenant);
      expect(await count('login_attempts WHERE subject = $1', [accountOf(tenant.email)])).toBe(0);
      // All tests come from one address, which is throttled for those that were refused above.
      await forgetFailedSignIns(server);
      expect(await remaining(tenant)).toEqual({});
      expect(await purge(tenant)).toMatchObject({ status: 404, body: { code: 'not_found' } });
      const again = await server.anonymous.post('/auth/register', { name: 'Ada', email: tenant.email, password: PASSWORD });
      expect(again.status).toBe(201);
      const client = server.anonymous.asUser(await signIn(server.anonymous, tenant.email, PASSWORD));
      expect((await client.get('/api/v1/tenant/info')).body.tenant_id).not.toBe(tenant.tenantId);
      expect((await client.get('/api/v1/documents')).body.documents).toEqual([]);
    });

    it('leaves an audit that can be verified and shown, and names nobody', async () => {
      const rows = await server.database.query<{ action: string; text: string }>(`SELECT action, e::text AS text FROM audit_entries e WHERE tenant_id = $1 ORDER BY id`, [tenant.tenantId]);
      const actions = rows.map(({ action }) => action);
      expect(actions).toEqual(expect.arrayContaining(['user.registered', 'document.ingested', 'api_key.rotated', 'tenant.purge_requested', 'tenant.purged']));
      // One change, and not one of each row that went.
      expect([actions.at(-1), actions.filter((action) => action === 'document.deleted')]).toEqual(['tenant.purged', []]);
      const named = (words: string[]): string[] => words.filter((word) => rows.some(({ text }) => text.includes(word)));
      expect(named([tenant.email, 'Ada Lovelace', '127.0.0.1', 'node', 'First', 'contracts', 'blank.pdf'])).toEqual([]);
      for await (const report of server.app.get(AuditVerification, { strict: false }).verify(tenant.tenantId, new Map())) {
        expect(report).toMatchObject({ problem: null, entries: rows.length, erased: rows.length - 1 });
      }
      const { body } = await admin.get(`/admin/audit?tenant_id=${tenant.tenantId}&action=user.registered`);
      expect(body.entries).toEqual([expect.objectContaining({ actor: { type: 'user', id: tenant.userId }, target: { type: 'user', id: tenant.userId, name: null }, ip: null, user_agent: null, changes: null })]);
    });

    it('has not touched anybody else', async () => {
      expect(steady(await tracesOf(neighbour))).toEqual(steady(before.traces));
      expect(await vectorsOf(neighbour)).toEqual(before.vectors);
      expect(before.vectors.every((points) => points > 0)).toBe(true);
      expect(await found(neighbour)).toEqual(before.found);
      expect(before.found).not.toEqual([]);
      expect(await ingestText(neighbour.client, 'Later', 'Life goes on.')).toBeTruthy();
      expect((await neighbour.key.client.get('/auth/me')).status).toBe(200);
    });
  });

  describe('that is asked for in the wrong way', () => {
    it.each([
      ['without a confirmation', ''],
      ['with another tenant’s id', `?confirm=${UNKNOWN}`],
      ['with a word', '?confirm=yes'],
      ['with two of them', `?confirm=${UNKNOWN}&confirm=${UNKNOWN}`],
    ])('is refused %s', async (_, query) => {
      const tenant = await createTenant(server.anonymous);
      const refused = await admin.delete(`${pathOf(tenant)}${query}`);
      expect(refused).toMatchObject({ status: 400, body: { code: 'validation_failed', errors: [{ field: 'confirm', message: expect.stringContaining('the id of the tenant that is to be purged') }] } });
      expect((await tenant.client.get('/auth/me')).status).toBe(200);
    });

    it('is a 404 for a tenant that does not exist', async () => {
      expect(await purge({ tenantId: UNKNOWN })).toMatchObject({ status: 404, body: { code: 'not_found', detail: 'There is no such tenant.' } });
    });

    it('takes an id in capitals for the same one', async () => {
      const tenant = await createTenant(server.anonymous);
      expect((await admin.delete(`${pathOf(tenant)}?confirm=${tenant.tenantId.toUpperCase()}`)).status).toBe(202);
      await gone(tenant);
    });

    it('cannot hit the administrator’s own tenant', async () => {
      const own = (await admin.get('/api/v1/tenant/info')).body.tenant_id as string;
      expect(await purge({ tenantId: own })).toMatchObject({ status: 409, body: { code: 'own_tenant' } });
      expect((await admin.get('/auth/me')).status).toBe(200);
    });

    it('is refused to everybody else, for the own tenant, too', async () => {
      const tenant = await createTenant(server.anonymous);
      expect(await purge(tenant, tenant.client)).toMatchObject({ status: 403, body: { code: 'forbidden_role' } });
    });
  });

  it('leaves one of two administrators who purge each other at once', async () => {
    const rivals = await Promise.all([createTenant(server.anonymous), createTenant(server.anonymous)]);
    for (const { userId } of rivals) await changeStanding(admin, userId, { role: 'ADMIN' });
    const clients = await Promise.all(rivals.map(async ({ email }) => server.anonymous.asUser(await signIn(server.anonymous, email, PASSWORD))));
    // For the moment they are the only ones.
    const others = await server.database.query<{ id: string }>(`UPDATE users SET is_active = false WHERE role = 'ADMIN' AND id <> ALL ($1) RETURNING id`, [rivals.map(({ userId }) => userId)]);
    try {
      const answers = await Promise.all(rivals.map((rival, at) => purge(rival, clients[1 - at])));
      expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
      // The other was either too late to be let in at all, or the last one.
      const refused = answers.find(({ status }) => status !== 202)!;
      expect(['last_administrator', 'invalid_credentials']).toContain(refused.body.code);
      expect(await count(`users WHERE role = 'ADMIN' AND is_active`, [])).toBe(1);
    } finally {
      await server.database.query('UPDATE users SET is_active = true WHERE id = ANY ($1)', [others.map(({ id }) => id)]);
    }
    admin = await administrator(server);
  });

  it('refuses to remove the last administrator’s tenant also when the one who asks is none any more by then', async () => {
    const last = await createTenant(server.anonymous);
    await changeStanding(admin, last.userId, { role: 'ADMIN' });
    const locker = new pg.Client({ connectionString: server.database.superuserUrl });
    await locker.connect();
    try {
      // Let in as an administrator, dismissed while it waits for the others to be locked.
      await locker.query('BEGIN');
      await locker.query(`UPDATE users SET role = 'USER' WHERE role = 'ADMIN' AND id <> $1`, [last.userId]);
      const answering = purge(last);
      await eventually(() => server.database.query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'SELECT FROM users WHERE role%'`), (waiting) => waiting.length > 0);
      await locker.query('COMMIT');
      expect(await answering).toMatchObject({ status: 409, body: { code: 'last_administrator' } });
    } finally {
      await locker.end();
      await server.database.query(`UPDATE users SET role = 'ADMIN' WHERE email = 'admin@example.com'`);
    }
    admin = await administrator(server);
    await changeStanding(admin, last.userId, { role: 'USER' });
  });

  describe('while something of it is still on its way', () => {
    it('takes in no upload that began before, leaves nothing of it, and counts it for nobody', async () => {
      const other = await createTenant(server.anonymous);
      const tenant = await createTenant(server.anonymous);
      const body = multipart(BOUNDARY, [{ headers: 'name="file"; filename="a.txt"', content: 'x'.repeat(200_000) }]);
      const half = Promise.withResolvers<void>();
      const stream = new ReadableStream({
        async start(controller) {
          controller.enqueue(body.subarray(0, 100_000));
          await half.promise;
          controller.enqueue(body.subarray(100_000));
          controller.close();
        },
      });
      const headers = { authorization: `Bearer ${tenant.token}`, 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
      const sending = fetch(`${server.url}/api/v1/ingest/file`, { method: 'POST', headers, body: stream, duplex: 'half' });
      await eventually(() => blobsOf(server), (names) => names.some((name) => name.startsWith('incoming')));
      expect((await purge(tenant)).status).toBe(202);
      await gone(tenant);
      half.resolve();
      expect((await sending).status).toBe(404);
      await eventually(() => blobsOf(server), (names) => names.every((name) => !name.startsWith('incoming')));
      // The sums of both are written together.
      expect((await other.client.get('/api/v1/documents?limit=7')).status).toBe(200);
      await eventually(() => count(`usage_hourly WHERE tenant_id = $1 AND route = 'GET /api/v1/documents'`, [other.tenantId]), (rows) => rows === 1);
      expect(await remaining(tenant)).toEqual({});
    });

    it('is not undone by a worker that was taken for dead and makes the collection anew', async () => {
      const tenant = await createTenant(server.anonymous);
      const worker = hold('ensureCollection');
      expect((await tenant.client.post('/api/v1/ingest/text', { title: 'Late', content: 'It comes when everything is gone.' })).status).toBe(202);
      await worker.reached;
      // What the queue does when a worker was silent for too long.
      await server.database.query(`UPDATE pgboss.job SET state = 'retry', start_after = now() + interval '1 hour' WHERE state = 'active' AND data ->> 'tenantId' = $1`, [tenant.tenantId]);
      expect((await purge(tenant)).status).toBe(202);
      await gone(tenant);
      const store = server.app.get(VectorStore, { strict: false });
      const made = Promise.withResolvers<void>();
      const drop = store.dropCollection.bind(store);
      let seen = -1;
      store.dropCollection = async (name) => {
        // Another tenant's purge may still be under way.
        if (!name.startsWith(`user_${tenant.userId}_`)) return drop(name);
        seen = (await readdir(path.join(server.dataDir, 'vectors'))).filter((entry) => entry.startsWith(`user_${tenant.userId}_`)).length;
        await drop(name);
        store.dropCollection = drop;
        made.resolve();
      };
      worker.release();
      await made.promise;
      expect(seen).toBe(1);
      expect(await remaining(tenant)).toEqual({});
    });

    it('is not undone by the making of a database', async () => {
      const tenant = await createTenant(server.anonymous);
      const maker = hold('ensureCollection');
      const making = tenant.client.post('/api/v1/databases', { name: 'late' });
      await maker.reached;
      expect((await purge(tenant)).status).toBe(202);
      await gone(tenant);
      maker.release();
      expect(await making).toMatchObject({ status: 404, body: { code: 'not_found' } });
      expect(await remaining(tenant)).toEqual({});
    });
  });
});

describe('a purge whose worker is killed', () => {
  let server: TestApp;
  let embeddings: EmbeddingServer;
  let admin: ApiClient;
  const workers: ServerProcess[] = [];

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    server = await TestApp.start({ ...embeddings.env, ROLE: 'api' });
    admin = await administrator(server);
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await server.stop();
    await embeddings.stop();
  });

  async function startWorker(): Promise<ServerProcess> {
    const worker = await server.processBeside({ ...embeddings.env, ROLE: 'worker' });
    workers.push(worker);
    return worker;
  }

  /** As if the heartbeats of its purge had been missing for long. */
  async function killAndMiss(worker: ServerProcess, tenantId: string): Promise<void> {
    await worker.end('SIGKILL');
    await server.database.query(`UPDATE pgboss.job SET heartbeat_on = now() - interval '1 hour' WHERE name <> 'ingest' AND data ->> 'tenantId' = $1 AND state = 'active'`, [tenantId]);
  }

  const waitsIn = (statement: string): Promise<unknown> =>
    eventually(() => server.database.query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1`, [`${statement}%`]), (waiting) => waiting.length > 0, 60_000);

  it('among the rows, while it waits for an ingestion, and before its last act is taken up by others and leaves nothing', async () => {
    const first = await startWorker();
    const tenant = await createTenant(server.anonymous);
    const { tenantId, userId, client } = tenant;
    for (let at = 0; at < 3; at++) await ingestText(client, `Text ${at}`, `The text number ${at}. ${'More of it. '.repeat(200)}`, { chunk_size: 200, chunk_overlap: 20 });
    embeddings.hold();
    const held = await client.post('/api/v1/ingest/text', { title: 'Held', content: 'A worker is at it.' });
    await eventually(async () => (await client.get(`/api/v1/jobs/${held.body.task_id}`)).body.stage, (stage) => stage === 'embedding');

    const locker = new pg.Client({ connectionString: server.database.superuserUrl });
    await locker.connect();
    try {
      await locker.query('BEGIN');
      await locker.query('LOCK TABLE databases IN SHARE MODE');
      expect((await admin.delete(`/admin/tenants/${tenantId}?confirm=${tenantId}`)).status).toBe(202);
      await waitsIn('DELETE FROM databases');
      await killAndMiss(first, tenantId);
      // As if another worker were still at the ingestion, also when the first one had heard already that its job is gone, and ended it.
      const heartOfIngestion = `UPDATE pgboss.job SET state = 'active', completed_on = NULL, heartbeat_on = now() + $2::interval WHERE name = 'ingest' AND group_id = $1 AND data ->> 'jobId' = '${held.body.task_id}'`;
      await server.database.query(heartOfIngestion, [tenantId, '1 hour']);
      await locker.query('ROLLBACK');
      expect((await server.database.query('SELECT FROM documents WHERE tenant_id = $1', [tenantId])).length).toBe(0);

      const second = await startWorker();
      await eventually(() => server.database.query('SELECT FROM databases WHERE tenant_id = $1', [tenantId]), (rows) => rows.length === 0, 60_000);
      await killAndMiss(second, tenantId);
      expect(existsSync(path.join(server.dataDir, 'blobs', tenantId))).toBe(true);
      await server.database.query(heartOfIngestion, [tenantId, '-1 hour']);

      // The tenant's row may be read and not removed.
      await locker.query('BEGIN');
      await locker.query('SELECT FROM tenants WHERE id = $1 FOR KEY SHARE', [tenantId]);
      const third = await startWorker();
      await waitsIn('DELETE FROM tenants');
      expect(existsSync(path.join(server.dataDir, 'blobs', tenantId))).toBe(false);
      await killAndMiss(third, tenantId);
      await locker.query('ROLLBACK');
      expect(await admin.get(`/admin/tenants/${tenantId}`)).toMatchObject({ status: 200, body: { purge_requested_at: expect.any(String) } });
    } finally {
      await locker.end();
    }
    await startWorker();
    await eventually(() => admin.get(`/admin/tenants/${tenantId}`), ({ status }) => status === 404, 60_000);
    const tables = await server.database.query<{ name: string }>(`SELECT attrelid::regclass::text AS name FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE attname = 'tenant_id' AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'audit\\_%'`);
    for (const { name } of tables) expect([name, await server.database.query(`SELECT FROM ${name} WHERE tenant_id = $1`, [tenantId])]).toEqual([name, []]);
    expect(await server.database.query(`SELECT FROM pgboss.job WHERE data ->> 'tenantId' = $1`, [tenantId])).toEqual([]);
    expect((await readdir(path.join(server.dataDir, 'vectors'))).filter((name) => name.startsWith(`user_${userId}_`))).toEqual([]);
    expect((await blobsOf(server)).filter((name) => name.startsWith(tenantId))).toEqual([]);
  }, 240_000);
});
