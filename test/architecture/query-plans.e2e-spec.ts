import pg from 'pg';
import type { ApiClient } from '../support/api-client.js';
import { administrator, createKey, createTenant, eventually, ingestText, type Tenant } from '../support/factories.js';
import { DOCUMENTS_OF_LARGEST, DOCUMENTS_OF_SMALL, MIDDLE, seededId, seedLargeInstallation } from '../support/documents-of-many.js';
import { explain, type TableAccess } from '../support/query-plan.js';
import { setLimits } from '../support/quotas.js';
import { StatementRecorder, type Recorded } from '../support/statement-recorder.js';
import { TestApp } from '../support/test-app.js';

/** A table with more rows than this is never read from one end to the other. */
const LARGE_ROWS = 3000;
/** A page of 50 and the row that tells whether another follows, each beside a row of another table; some more are passed over, such as documents that are being deleted. */
const A_PAGE = 51 * 4;
const A_FEW = 20;

describe('the plan of every statement, among the documents of a thousand tenants,', () => {
  let server: TestApp;
  let recorder: StatementRecorder;
  let login: pg.Client;
  let tenants: Record<'the largest' | 'a small one', { tenant: Tenant; databases: string[]; bound: ApiClient; boundToOne: ApiClient; documents: number; documentId: string }>;
  let largeTables: Set<string>;
  /** Indexes for what is looked up before its tenant is known; row-level-security.e2e-spec.ts says why each may be. */
  let acrossTenants: Set<string>;

  async function settle(admin: ApiClient): Promise<{ tenant: Tenant; databases: string[] }> {
    const tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null, documents: null });
    const databases: string[] = [];
    for (const name of ['old', 'second', 'empty']) databases.push(((await tenant.client.post('/api/v1/databases', { name })).body as { id: string }).id);
    const { body } = await tenant.client.get<{ databases: { id: string; name: string }[] }>('/api/v1/databases');
    return { tenant, databases: [...databases, body.databases.find(({ name }) => name === 'default')!.id] };
  }

  beforeAll(async () => {
    server = await TestApp.start();
    const admin = await administrator(server);
    const [largest, small] = [await settle(admin), await settle(admin)];
    const real = ({ tenant, databases: [old, second, , first] }: typeof largest) => ({
      tenantId: tenant.tenantId,
      userId: tenant.userId,
      twentieths: [old!, second!, second!, ...Array<string>(17).fill(first!)],
    });
    await seedLargeInstallation(server.database, real(largest), real(small));
    const complete = async ({ tenant, databases }: typeof largest, documents: number) => {
      const bind = async (database_ids: string[]) => (await createKey(tenant.client, ['read', 'write', 'process', 'search', 'admin'], { database_ids })).client;
      const documentId = await ingestText(tenant.client, 'Real', 'Words that can be found.');
      return { tenant, databases, bound: await bind(databases), boundToOne: await bind([databases[0]!]), documents, documentId };
    };
    tenants = { 'the largest': await complete(largest, DOCUMENTS_OF_LARGEST), 'a small one': await complete(small, DOCUMENTS_OF_SMALL) };
    const counted = await server.database.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'partitions'::regnamespace) AND relkind IN ('r', 'p') AND reltuples > $1`, [LARGE_ROWS]);
    largeTables = new Set(counted.map(({ name }) => name));
    const across = await server.database.query<{ name: string }>(`SELECT i.indexrelid::regclass::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE c.relnamespace = 'public'::regnamespace AND a.attname <> 'tenant_id'`);
    acrossTenants = new Set(across.map(({ name }) => name));
    recorder = StatementRecorder.listenTo(server);
    login = new pg.Client({ connectionString: server.database.url });
    await login.connect();
  }, 180_000);
  afterAll(async () => {
    await login.end();
    await server.stop();
  });

  /** What is wrong with it, in words. */
  function objections(accesses: readonly TableAccess[], bound: number): string[] {
    const rows = accesses.filter(({ table }) => largeTables.has(table)).reduce((sum, access) => sum + access.rows, 0);
    return [
      ...accesses.filter(({ by, table, part }) => by === 'Seq Scan' && largeTables.has(part ?? table)).map(({ table }) => `reads all of ${table}`),
      ...accesses
        .filter(({ table, index, condition }) => largeTables.has(table) && index !== undefined && !condition?.includes('tenant_id') && !(acrossTenants.has(index) && condition))
        .map(({ index, condition }) => `looks into ${index} without a tenant: ${condition}`),
      ...(rows > bound ? [`looks at ${rows} rows and may at ${bound}`] : []),
    ];
  }

  async function expectGood(statements: readonly Recorded[], bound: number): Promise<void> {
    for (const statement of statements) {
      const accesses = await explain(login, statement);
      expect([statement.sql, accesses, objections(accesses, bound)]).toEqual([statement.sql, accesses, []]);
    }
  }

  /** The statement of the second page, with the position moved to the middle of all documents. */
  async function inTheMiddle(client: ApiClient, path: string, kind: 'document' | 'job'): Promise<Recorded[]> {
    const first = (await client.get<{ next_cursor: string | null }>(path)).body;
    if (first.next_cursor === null) return [];
    const rows = Object.values(first)[0] as unknown as { id: string }[];
    const last = rows.at(-1)!.id;
    const statements = await recorder.watch(() => client.get(`${path}${path.includes('?') ? '&' : '?'}cursor=${first.next_cursor}`));
    const moved = statements.map((statement) => ({ ...statement, values: statement.values.map((value) => (value === last ? seededId(kind, MIDDLE) : value)) }));
    expect(moved).not.toEqual(statements);
    return moved;
  }

  it('is looked at where there is much to look at', () => {
    expect([...largeTables].toSorted()).toEqual(expect.arrayContaining(['api_keys', 'databases', 'document_chunks', 'document_contents', 'documents', 'jobs', 'usage_hourly']));
    expect(acrossTenants).toContain('api_keys_hash');
  });

  describe.each(['the largest', 'a small one'] as const)('for %s', (size) => {
    it.each([
      ['documents', () => '/api/v1/documents'],
      ['documents that have failed', () => '/api/v1/documents?state=FAILED'],
      ['documents that wait, of which there are none', () => '/api/v1/documents?state=PENDING'],
      ['documents of the usual state', () => '/api/v1/documents?state=INGESTED'],
      ['documents by title', () => '/api/v1/documents?sort_by=title&sort_order=asc'],
      ['documents by size', () => '/api/v1/documents?sort_by=size_bytes'],
      ['documents by their last change', () => '/api/v1/documents?sort_by=updated_at'],
      ['the oldest documents', () => '/api/v1/documents?sort_order=asc'],
      ['documents of the last hour', () => `/api/v1/documents?created_after=${new Date(Date.now() - 3_600_000).toISOString()}`],
      ['documents of a frequent type', () => '/api/v1/documents?type=pdf'],
      ['documents of a type that is rare and old', () => '/api/v1/documents?type=docx'],
      ['documents of a database that is small and old', ([old]) => `/api/v1/documents?database_id=${old}`],
      ['documents of the largest database', ([, , , first]) => `/api/v1/documents?database_id=${first}`],
      ['documents of an empty database', ([, , empty]) => `/api/v1/documents?database_id=${empty}`],
      ['documents of nobody’s database', () => `/api/v1/documents?database_id=${seededId('database', 400_000)}`],
      ['jobs', () => '/api/v1/jobs'],
      ['jobs that have failed', () => '/api/v1/jobs?status=FAILED'],
      ['jobs that wait, of which there are none', () => '/api/v1/jobs?status=PENDING'],
      ['jobs of the usual status', () => '/api/v1/jobs?status=FINISHED'],
      ['jobs of a status that is rare and old', () => '/api/v1/jobs?status=CANCELLED'],
      ['jobs of a document', () => `/api/v1/jobs?document_id=${seededId('document', MIDDLE)}`],
    ] as [string, (databases: string[]) => string][])('reads a page and no more, on the first page and in the middle: %s', async (_, pathOf) => {
      const { tenant, databases } = tenants[size];
      const path = pathOf(databases);
      await expectGood(await recorder.watch(() => tenant.client.get(path)), A_PAGE);
      await expectGood(await inTheMiddle(tenant.client, path, path.includes('jobs') ? 'job' : 'document'), A_PAGE);
    });

    it('reads a page of each database that a key is bound to, and merges them', async () => {
      const { bound, boundToOne, databases } = tenants[size];
      for (const filter of ['', '?state=FAILED', '?type=pdf']) {
        await expectGood(await recorder.watch(() => bound.get(`/api/v1/documents${filter}`)), filter === '' ? databases.length * A_PAGE : DOCUMENTS_OF_LARGEST);
      }
      await expectGood(await inTheMiddle(bound, '/api/v1/documents', 'document'), databases.length * A_PAGE);
      for (const path of ['/api/v1/documents', `/api/v1/documents?database_id=${databases[0]}`]) await expectGood(await recorder.watch(() => boundToOne.get(path)), A_PAGE);
    });

    it.each([
      ['a document', () => `/api/v1/documents/${seededId('document', MIDDLE)}`],
      ['a job', () => `/api/v1/jobs/${seededId('job', MIDDLE)}`],
      ['a task', () => `/api/v1/status/${seededId('job', MIDDLE)}`],
      ['a key', () => `/api/v1/api-keys/${seededId('key', 3)}`],
      ['the tenant', () => '/api/v1/tenant/info'],
      ['the quotas', () => '/api/v1/tenant/quotas'],
      ['the person', () => '/auth/me'],
      ['the settings', () => '/auth/settings'],
    ] as [string, () => string][])('looks up a single row, for a session and for a key that is bound: %s', async (_, pathOf) => {
      const { tenant, bound } = tenants[size];
      for (const client of [tenant.client, bound]) {
        const statements = await recorder.watch(() => client.get(pathOf()));
        expect(statements.length).toBeGreaterThan(0);
        await expectGood(statements, A_FEW);
      }
    });

    it.each([
      ['a text in titles', '/api/v1/documents?query=no-such-title'],
      ['two filters that are rare together', '/api/v1/documents?state=FAILED&type=docx'],
      ['how much each database holds', '/api/v1/databases'],
      ['and each collection', '/api/v1/tenant/collections'],
    ])('may read all of the tenant’s documents, and nobody else’s, for %s', async (_, path) => {
      const { tenant, bound, documents } = tenants[size];
      for (const client of [tenant.client, bound]) await expectGood(await recorder.watch(() => client.get(path)), documents * 1.05 + A_PAGE);
    });

    it('may look through all jobs of the tenant for what there is of each status, and no others', async () => {
      const { tenant, boundToOne, documents } = tenants[size];
      for (const client of [tenant.client, boundToOne]) {
        const statements = await recorder.watch(() => client.get('/api/v1/jobs/stats'));
        // Of a tenant with nearly half of all jobs, the table is read in one go: no index makes counting them all less work.
        const countsHalf = ({ sql }: Recorded): boolean => size === 'the largest' && sql.includes('GROUP BY j.status');
        await expectGood(statements.filter((statement) => !countsHalf(statement)), documents * 2.1 + A_PAGE);
        expect(statements.some(({ sql }) => sql.includes('GROUP BY j.status'))).toBe(true);
      }
    });

    it('reads the one job that is stopped, tried again or watched', async () => {
      const { tenant, bound } = tenants[size];
      const [finished, failed] = [`/api/v1/jobs/${seededId('job', MIDDLE + 1000)}`, `/api/v1/jobs/${seededId('job', MIDDLE + 10)}`];
      for (const client of [tenant.client, bound]) {
        for (const request of [() => client.post(`${finished}/cancel`), () => client.get(`${finished}/events`), () => client.post(`${failed}/retry`)]) await expectGood(await recorder.watch(request), A_FEW);
      }
    });

    it('finds the job that a remote worker leases, of which there is none', async () => {
      const { tenant, bound } = tenants[size];
      for (const client of [tenant.client, bound]) await expectGood(await recorder.watch(() => client.post('/api/v1/remote/lease', {})), A_FEW);
    });

    it('may look through all jobs of the tenant for those of the databases that a key is bound to', async () => {
      const { boundToOne, documents } = tenants[size];
      await expectGood(await recorder.watch(() => boundToOne.get('/api/v1/jobs')), documents * 2.1 + A_PAGE);
    });

    it('reads the tenant’s own database servers, and how many databases are on each', async () => {
      const { tenant, bound } = tenants[size];
      const { body } = await tenant.client.get<{ database_servers: { id: string }[] }>('/api/v1/database-servers');
      for (const client of [tenant.client, bound]) {
        await expectGood(await recorder.watch(() => client.get('/api/v1/database-servers')), A_PAGE);
        await expectGood(await recorder.watch(() => client.get(`/api/v1/database-servers/${body.database_servers[0]!.id}`)), A_FEW);
      }
    });

    it.each(['', '?status=revoked', '?name_contains=17', '?permission=read', '?skip=3', '?created_after=2020-01-01T00:00:00Z', '?last_used_before=2020-01-01T00:00:00Z'])('reads the tenant’s own keys, which a quota bounds: %s', async (query) => {
      await expectGood(await recorder.watch(() => tenants[size].tenant.client.get(`/api/v1/api-keys${query}`)), A_PAGE);
    });

    it('reads the hours of the tenant’s own usage', async () => {
      const { tenant } = tenants[size];
      const { id } = await createKey(tenant.client, ['read']);
      for (const granularity of ['hour', 'day']) {
        const statements = await recorder.watch(() => tenant.client.get(`/api/v1/api-keys/${id}/usage?granularity=${granularity}`));
        expect(statements.some(({ sql }) => sql.includes('usage_hourly'))).toBe(true);
        await expectGood(statements, DOCUMENTS_OF_LARGEST / 5);
      }
    });

    it('may read all of the tenant’s documents, and nobody else’s, for those that a search is filtered by', async () => {
      const { tenant, bound, documents } = tenants[size];
      for (const client of [tenant.client, bound]) {
        const statements = await recorder.watch(() => client.post('/api/v1/search', { query: 'words', filter: { no_such_key: { $gt: 1 } } }));
        expect(statements.some(({ sql }) => sql.includes('jsonb_array_elements'))).toBe(true);
        await expectGood(statements, documents * 1.05 + A_PAGE);
      }
    });

    it('finds its way for what is written, searched and deleted', async () => {
      const { tenant, bound, documentId, documents } = tenants[size];
      const search = await recorder.watch(() => tenant.client.post('/api/v1/search', { query: 'words' }));
      expect(search.some(({ sql }) => sql.includes('document_chunks'))).toBe(true);
      await expectGood(search, A_PAGE);
      await expectGood(await recorder.watch(() => ingestText(tenant.client, 'Another', 'More words.')), A_PAGE);
      await expectGood(await recorder.watch(() => tenant.client.post('/api/v1/ingest/text', { title: 'Another', content: 'More words.' })), A_PAGE);
      const items = Array.from({ length: 10 }, (_, at) => ({ title: `Item ${at}`, content: `Words of item ${at}.` }));
      await expectGood(
        await recorder.watch(async () => {
          const { body } = await tenant.client.post('/api/v1/ingest/batch', { items });
          for (const client of [tenant.client, bound]) expect((await client.get(`/api/v1/ingest/batch/${body.batch_id}`)).status).toBe(200);
        }),
        A_PAGE,
      );
      const removal = await recorder.watch(async () => expect((await bound.delete(`/api/v1/documents/${documentId}`)).status).toBe(204));
      expect(removal.some(({ sql }) => sql.startsWith('UPDATE "documents"'))).toBe(true);
      await expectGood(removal, A_PAGE);
      for (const title of [String(MIDDLE), 'A name that nothing has']) {
        const replacement = await recorder.watch(() => tenant.client.post('/api/v1/ingest/text', { title, content: `Newer words of ${title}.`, replace_existing: true }));
        expect(replacement.some(({ sql }) => sql.includes('document_contents'))).toBe(true);
        // In a small database a name that is not there may be looked for in any index: PostgreSQL expects one row of each.
        await expectGood(replacement, A_PAGE + (size === 'a small one' ? documents : 0));
      }
      const settled = await ingestText(tenant.client, 'Settled', 'Words that stay.');
      for (const operation of ['deprecate', 'restore', 'reprocess']) await expectGood(await recorder.watch(() => tenant.client.post(`/api/v1/documents/${settled}/${operation}`)), A_PAGE);
      const { body: few } = await tenant.client.post('/api/v1/databases', { name: 'few' });
      await ingestText(tenant.client, 'Few', 'Words in a database of their own.', { database: 'few' });
      const reindex = await recorder.watch(async () => {
        await tenant.client.post(`/api/v1/databases/${few.id}/reindex`, {});
        await eventually(() => tenant.client.get(`/api/v1/databases/${few.id}/reindex`), ({ body }) => body.status === 'FINISHED');
      });
      expect(reindex.some(({ sql }) => sql.includes('NOT EXISTS (SELECT FROM reindexed_documents'))).toBe(true);
      await expectGood(reindex, A_PAGE);
      await expectGood(await recorder.watch(() => tenant.client.delete(`/api/v1/databases/${few.id}?cascade=true`)), A_PAGE);
      const { id } = await createKey(tenant.client, ['read']);
      await expectGood(await recorder.watch(() => tenant.client.patch(`/api/v1/api-keys/${id}`, { name: 'changed' })), A_PAGE);
      await expectGood(await recorder.watch(() => tenant.client.post(`/api/v1/api-keys/${id}/rotate`)), A_PAGE);
      await expectGood(await recorder.watch(() => tenant.client.delete(`/api/v1/api-keys/${id}`)), A_PAGE);
    });
  });

  it('finds a key and an address without their tenant by the index that is there for it', async () => {
    const { client } = await createKey(tenants['a small one'].tenant.client, ['read']);
    const statements = await recorder.watch(() => client.get('/api/v1/tenant/quotas'));
    const lookUp = statements.find(({ role, sql }) => role === 'morag_system' && sql.includes('key_hash'));
    expect(lookUp && (await explain(login, lookUp))).toEqual(expect.arrayContaining([expect.objectContaining({ index: 'api_keys_hash' })]));
    await expectGood(statements, A_FEW);
  });

  it('would be refused if it read more than it may, or a table from one end to the other', async () => {
    const { tenantId } = tenants['the largest'].tenant;
    const reading = async (sql: string): Promise<string[]> => objections(await explain(login, { sql, values: [], role: 'morag_app', tenantId }), A_PAGE);
    expect(await reading(`SELECT id FROM documents WHERE source_url = 'x'`)).toEqual([expect.stringMatching(/^looks at \d{6} rows and may at/)]);
    const asSystem = objections(await explain(login, { sql: `SELECT id FROM documents WHERE source_url = 'x'`, values: [], role: 'morag_system', tenantId: '' }), A_PAGE);
    expect(asSystem).toContain('reads all of documents');
  });
});
