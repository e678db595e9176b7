import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Transactions } from '../../src/persistence/transactions.js';
import type { ApiClient } from '../support/api-client.js';
import { createKey, createTenant, eventually, ingestText, PASSWORD, signIn, type Tenant } from '../support/factories.js';
import { explainItself, PlanListener, type Planned } from '../support/plan-listener.js';
import { boundsOf } from '../support/tenant-bounds.js';
import { TestApp } from '../support/test-app.js';
import { TestDatabase } from '../support/test-database.js';

/** Sent for requests before their tenant is known, or for those of many: by what each is told from what goes by the clock meanwhile. */
const OF_ANY_TENANT = ['k.key_hash = $1', 'INSERT INTO usage_hourly', 'UPDATE api_keys k', '"email_key"', 'token_hash'];

describe('what the hot paths send to the database, with no policy that adds a condition,', () => {
  let server: TestApp;
  let plans: PlanListener;
  let columns: Map<string, string>;
  let tenant: Tenant;
  let theirs: Tenant;
  let key: Awaited<ReturnType<typeof createKey>>;
  let bound: ApiClient;
  let documentId: string;
  let jobId: string;

  beforeAll(async () => {
    const database = await TestDatabase.create();
    await explainItself(database);
    const found = await database.query<{ table: string; column: string }>(`
      SELECT c.relname AS table, a.attname AS column FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND (a.attname = 'tenant_id' OR (c.relname = 'tenants' AND a.attname = 'id'))`);
    columns = new Map(found.map(({ table, column }) => [table, column]));
    server = await TestApp.on(database, await mkdtemp(path.join(tmpdir(), 'morag-app-')), {});
    plans = PlanListener.listenTo(server);
    // Somebody else has the same things.
    theirs = await createTenant(server.anonymous);
    await ingestText(theirs.client, 'Theirs', 'Words of others.');
    tenant = await createTenant(server.anonymous);
    key = await createKey(tenant.client, ['read', 'write', 'search', 'process', 'ingest', 'admin']);
    const { body } = await tenant.client.get<{ databases: { id: string }[] }>('/api/v1/databases');
    bound = (await createKey(tenant.client, ['read', 'search'], { database_ids: body.databases.map(({ id }) => id) })).client;
    documentId = await ingestText(key.client, 'Mine', 'Words that can be found.');
    jobId = (await key.client.get<{ jobs: { id: string }[] }>('/api/v1/jobs')).body.jobs[0]!.id;
  });
  afterAll(() => server.stop());

  /** As the tenant, and as the system. */
  function sortOut(planned: readonly Planned[]): { own: Planned[]; system: Planned[] } {
    return { own: planned.filter(({ role, tenantId }) => role === 'morag_app' && tenantId === tenant.tenantId), system: planned.filter(({ role }) => role === 'morag_system') };
  }

  const textOf = (planned: readonly Planned[]): string => planned.map(({ sql }) => sql).join('\n');

  /** Every statement that reads or writes a table without saying that the rows are the tenant's. */
  const unbound = (planned: readonly Planned[]): [string, string[]][] =>
    planned.map(({ sql, plan, tenantId }): [string, string[]] => [sql, boundsOf(plan, columns, tenantId).unbound]).filter(([, tables]) => tables.length > 0);

  /** Every statement that puts rows together without saying that they are of one tenant. */
  const crossing = (planned: readonly Planned[]): string[] => planned.filter(({ plan }) => boundsOf(plan, columns, 'nobody').groups > 1).map(({ sql }) => sql);

  it.each([
    ['a session is looked up', 'FROM sessions s', async () => server.anonymous.asUser(await signIn(server.anonymous, tenant.email, PASSWORD)).get('/auth/me')],
    ['a document is read', 'FROM "documents"', () => key.client.get(`/api/v1/documents/${documentId}`)],
    ['documents are listed', 'LIMIT 51', () => Promise.all(['', '?state=INGESTED', '?type=txt&sort_by=title'].flatMap((query) => [key.client.get(`/api/v1/documents${query}`), bound.get(`/api/v1/documents${query}`)]))],
    ['chunks are read', 'document_chunks', () => key.client.get(`/api/v1/documents/${documentId}/chunks`)],
    ['something is searched among what fits', 'jsonb_array_elements', () => Promise.all([key.client, bound].map((client) => client.post('/api/v1/search', { query: 'words', filter: { no_such_key: { $gt: 1 } } })))],
    ['something is found', 'FROM document_chunks c JOIN documents d', () => key.client.post('/api/v1/search', { query: 'words' })],
    ['a job is asked after', 'GROUP BY j.status', () => Promise.all([`/api/v1/status/${jobId}`, `/api/v1/jobs/${jobId}`, '/api/v1/jobs', '/api/v1/jobs/stats'].map((address) => key.client.get(address)))],
    ['quotas and usage are read', 'usage_daily', () => Promise.all(['/api/v1/tenant/quotas', '/api/v1/tenant/usage', `/api/v1/api-keys/${key.id}/usage`].map((address) => key.client.get(address)))],
  ] as [string, string, () => Promise<unknown>][])('names the tenant of every table when %s', async (_, part, work) => {
    const { own } = sortOut(await plans.watch(work));
    expect(textOf(own)).toContain(part);
    expect(unbound(own)).toEqual([]);
  });

  it('names it when a document comes in, is charged, worked on by a worker, replaced and deleted, also in every trigger and foreign key', async () => {
    const planned = await plans.watch(async () => {
      const created = await ingestText(key.client, 'Another', 'More words.');
      await ingestText(key.client, 'Another', 'Newer words.', { replace_existing: true });
      expect((await key.client.delete(`/api/v1/documents/${created}`)).status).toBe(204);
      await eventually(() => server.database.query('SELECT FROM documents WHERE tenant_id = $1 AND id = $2', [tenant.tenantId, created]), ({ length }) => length === 0);
    });
    const { own } = sortOut(planned);
    // Claim, charge and end; what only triggers and foreign keys send; and the audit's, at commit.
    for (const part of ['UPDATE jobs SET status', 'FOR NO KEY UPDATE OF q', `status = 'FINISHED'`, 'INSERT INTO job_events', 'FOR KEY SHARE OF x', 'INSERT INTO audit_entries', 'INSERT INTO audit_links']) expect(textOf(own)).toContain(part);
    expect(unbound(own)).toEqual([]);
  });

  it('puts no rows of two tenants together where it does not know the tenant yet, or writes for many: a key, an address, a refresh, the usage of all', async () => {
    const { system } = sortOut(
      await plans.watch(async () => {
        const fresh = await createKey(tenant.client, ['read']);
        expect((await fresh.client.get('/api/v1/tenant/quotas')).status).toBe(200);
        expect((await key.client.post('/api/v1/api-keys/verify', { key: fresh.secret })).status).toBe(200);
        const { body } = await server.anonymous.post<{ refresh_token: string }>('/auth/login', { email: tenant.email, password: PASSWORD });
        await server.anonymous.post('/auth/refresh', { refresh_token: body.refresh_token });
        await eventually(() => Promise.resolve(plans.seen.some(({ sql }) => sql.includes('usage_count = k.usage_count'))), Boolean);
      }),
    );
    for (const part of OF_ANY_TENANT) expect(textOf(system)).toContain(part);
    expect(crossing(system.filter(({ sql }) => OF_ANY_TENANT.some((part) => sql.includes(part))))).toEqual([]);
  });

  it.each([
    ['a table without it', 'SELECT title FROM documents WHERE id = $2 AND $1::uuid IS NOT NULL', ['documents']],
    ['a joined one', 'SELECT c.text FROM documents d JOIN document_chunks c ON c.document_id = d.id WHERE d.tenant_id = $1 AND d.id = $2', ['document_chunks c']],
    ['one of several', 'SELECT title FROM documents WHERE (tenant_id = $1 AND id = $2) OR id IS NULL', ['documents']],
    ['a subquery', 'SELECT (SELECT count(*) FROM jobs j WHERE j.document_id = d.id) FROM documents d WHERE d.tenant_id = $1 AND d.id = $2', ['jobs j']],
    ['what is merely unequal', 'SELECT title FROM documents WHERE tenant_id <> $1 AND id = $2', ['documents']],
    ['a change', `UPDATE documents SET title = title WHERE id = $2 AND $1::uuid IS NOT NULL`, ['documents']],
    ['a removal', 'DELETE FROM jobs WHERE document_id = $2 AND $1::uuid IS NOT NULL AND percentage < 0', ['jobs']],
    ['no statement that names it', 'SELECT c.text FROM documents d JOIN document_chunks c ON c.tenant_id = d.tenant_id AND c.document_id = d.id WHERE d.tenant_id = $1 AND d.id = $2', []],
  ])('would be caught at %s', async (_, sql, tables) => {
    const planned = await plans.watch(() => server.app.get(Transactions).forTenant(tenant.tenantId, (tx) => tx.manager.query(sql, [tenant.tenantId, documentId])));
    const own = sortOut(planned).own.filter((statement) => statement.sql === sql);
    expect(own).toHaveLength(1);
    expect(unbound(own).flatMap(([, names]) => names)).toEqual(tables);
  });

  it('would not let a row of somebody else in: what is written, the policies still check', async () => {
    const writing = server.app.get(Transactions).forTenant(tenant.tenantId, (tx) => tx.manager.query(`INSERT INTO idempotency_keys (tenant_id, route, key, token, lease_expires_at) VALUES ($1, '', '', $1, now())`, [theirs.tenantId]));
    await expect(writing).rejects.toThrow('row-level security');
  });
});
