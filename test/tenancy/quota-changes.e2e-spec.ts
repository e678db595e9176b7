import { DataSource, type QueryRunner } from 'typeorm';
import { Transactions } from '../../src/persistence/transactions.js';
import { QuotasService, type QuotaChanges } from '../../src/tenancy/quotas.service.js';
import type { ApiClient } from '../support/api-client.js';
import { blobsOf } from '../support/disk.js';
import { administrator, createTenant, eventually, ingestText, type Tenant } from '../support/factories.js';
import { quotasOf, setLimits, usedBy } from '../support/quotas.js';
import { answerTo } from '../support/raw-http.js';
import { TestApp } from '../support/test-app.js';

const MIB = 1024 * 1024;

/** Writes down each sum that a counter ever had, also one that another change in the same transaction undid. */
const RECORD_SUMS = `
  CREATE TABLE sums (at bigserial, tenant_id uuid, resource text, sum bigint);
  CREATE FUNCTION record_sum() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
  BEGIN INSERT INTO sums (tenant_id, resource, sum) VALUES (NEW.tenant_id, NEW.resource, NEW.used + NEW.reserved); RETURN NEW; END $$;
  CREATE TRIGGER record_sum AFTER UPDATE OF used, reserved ON tenant_quotas FOR EACH ROW EXECUTE FUNCTION record_sum()`;

describe('a change of quotas', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;
  /** As they were sent, by transaction: each has a runner of its own. */
  let transactions = new Map<QueryRunner | undefined, string[]>();

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
    await server.database.query(RECORD_SUMS);
    const ignored = (): void => undefined;
    const logQuery = (sql: string, _?: unknown[], runner?: QueryRunner): void => {
      transactions.set(runner, [...(transactions.get(runner) ?? []), sql]);
    };
    server.app.get(DataSource).logger = { logQuery, logQueryError: ignored, logQuerySlow: ignored, logSchemaBuild: ignored, logMigration: ignored, log: ignored };
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  });
  afterAll(() => server.stop());

  const change = (changes: QuotaChanges): Promise<void> =>
    server.app.get(Transactions, { strict: false }).forTenant(tenant.tenantId, (tx) => server.app.get(QuotasService, { strict: false }).change(tx, changes));

  async function sumsOf(resource: string): Promise<number[]> {
    const rows = await server.database.query<{ sum: number }>('SELECT sum::int FROM sums WHERE tenant_id = $1 AND resource = $2 ORDER BY at', [tenant.tenantId, resource]);
    return rows.map(({ sum }) => sum);
  }

  it.each([
    ['a document, which costs a place and its bytes', 'documents', () => tenant.client.post('/api/v1/ingest/text', { title: 'x', content: 'Some words.' })],
    ['a database', 'databases', () => tenant.client.post('/api/v1/databases', { name: 'another' })],
    ['a key', 'api_keys', () => tenant.client.post('/api/v1/api-keys', { name: 'another', permissions: ['read'] })],
  ])('adds one statement, so one round trip, to the creation of %s', async (_, table, create) => {
    transactions = new Map();
    expect([201, 202]).toContain((await create()).status);
    const sent = [...transactions.values()];
    const creations = sent.filter((statements) => statements.some((sql) => sql.startsWith(`INSERT INTO "${table}"`)));
    expect(creations).toHaveLength(1);
    expect(creations[0]!.filter((sql) => sql.includes('tenant_quotas'))).toEqual([expect.stringContaining('UPDATE tenant_quotas')]);
    // Nor does another transaction look at the counters first; the watcher of calls, beside the request, looks at its one row.
    const isOfCalls = (sql: string): boolean => /"resource" = \$2/.test(sql);
    expect(sent.flat().filter((sql) => sql.includes('"tenant_quotas"') && !isOfCalls(sql))).toEqual([]);
  });

  it('takes all it names or nothing, and names the first that does not fit', async () => {
    await setLimits(admin, tenant, { documents: 5, storage_mb: 1, vector_points: 3 });
    await change({ documents: { used: 4 }, vector_points: { used: 1, reserved: 1 } });
    const before = await quotasOf(tenant.client);
    const asks: [QuotaChanges, object][] = [
      [{ vector_points: { used: 5 }, storage_mb: { used: 2 * MIB }, documents: { used: 1 } }, { resource: 'storage_mb', limit: MIB, used: 0, requested: 2 * MIB }],
      [{ documents: { used: 1 }, vector_points: { reserved: 2 } }, { resource: 'vector_points', limit: 3, used: 2, requested: 2 }],
      [{ documents: { used: 2 }, vector_points: { used: -1 } }, { resource: 'documents', limit: 5, used: 4, requested: 2 }],
    ];
    for (const [wanted, refusal] of asks) await expect(change(wanted)).rejects.toMatchObject({ status: 429, code: 'quota_exceeded', members: refusal });
    expect(await quotasOf(tenant.client)).toEqual(before);
    await change({ documents: { used: 1 }, vector_points: { reserved: 1 }, storage_mb: { used: MIB } });
    expect(await quotasOf(tenant.client)).toMatchObject({ documents: { used: 5 }, vector_points: { used: 1, reserved: 2 }, storage_mb: { used: MIB } });
  });

  it('lets use what is reserved, and give back, below a limit that was lowered since', async () => {
    await change({ vector_points: { reserved: 7 }, documents: { used: 2 } });
    await setLimits(admin, tenant, { vector_points: 3, documents: 0 });
    await change({ vector_points: { used: 7, reserved: -7 } });
    await change({ vector_points: { used: -3 }, documents: { used: -1 } });
    await expect(change({ vector_points: { reserved: 1 } })).rejects.toMatchObject({ members: { resource: 'vector_points', limit: 3, used: 4, requested: 1 } });
    expect(await quotasOf(tenant.client)).toMatchObject({ vector_points: { used: 4, reserved: 0 }, documents: { used: 1 } });
  });

  it('never waits for one that names the same in another order, nor for the administrator', async () => {
    const wanted: QuotaChanges[] = [{ vector_points: { used: 1 }, documents: { used: 1 } }, { documents: { used: 1 }, vector_points: { used: 1 } }];
    const limits = [{ vector_points: 500, documents: 500 }, { documents: 400, vector_points: 400 }];
    await Promise.all([...Array.from({ length: 60 }, (_, at) => change(wanted[at % 2]!)), ...Array.from({ length: 6 }, (_, at) => setLimits(admin, tenant, limits[at % 2]!))]);
    expect(await usedBy(tenant.client)).toMatchObject({ documents: 60, vector_points: 60 });
  });

  it('is net: the sum of used and reserved never goes where it does not stay', async () => {
    const text = 'Many sentences make many chunks. '.repeat(20);
    const id = await ingestText(tenant.client, 'Comes and goes', text, { chunk_size: 100, chunk_overlap: 0 });
    const { used: points } = (await quotasOf(tenant.client))['vector_points']!;
    expect(points).toBeGreaterThan(3);
    await tenant.client.delete(`/api/v1/documents/${id}`);
    await eventually(() => usedBy(tenant.client), ({ documents }) => documents === 0);
    // Reserved, settled, given back.
    expect(await sumsOf('vector_points')).toEqual([points, points, 0]);
    expect(await sumsOf('documents')).toEqual([1, 0]);
    expect(await sumsOf('storage_mb')).toEqual([text.length, 0]);
  });

  describe('that an upload could not make', () => {
    const head = (length: number): string =>
      `POST /api/v1/ingest/file HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tenant.token}\r\nContent-Type: multipart/form-data; boundary=xYzZY\r\nContent-Length: ${length}\r\n\r\n` +
      '--xYzZY\r\nContent-Disposition: form-data; name="file"; filename="large.txt"\r\n\r\nThe beginning of a file that never goes on.';

    it.each([
      ['there is no room for one more document', { documents: 0 }, 5000, { resource: 'documents', limit: 0, used: 0, requested: 1 }],
      ['more bytes are announced than are left', { storage_mb: 2 }, 10 * MIB, { resource: 'storage_mb', limit: 2 * MIB, used: 0, requested: 9 * MIB }],
    ])('is refused before the body is read: %s', async (_, limits, length, refusal) => {
      await setLimits(admin, tenant, limits);
      const answer = await answerTo(server.url, head(length));
      expect(answer).toMatchObject({ status: 429, contentType: expect.stringContaining('application/problem+json') });
      expect(answer.body).toMatchObject({ type: 'https://iana.org/assignments/http-problem-types#quota-exceeded', code: 'quota_exceeded', status: 429, instance: '/api/v1/ingest/file', retryable: false, ...refusal });
      expect((await blobsOf(server)).filter((name) => name.startsWith('incoming'))).toEqual([]);
    });

    it('is refused for the size that is permitted before it is for the quota', async () => {
      await setLimits(admin, tenant, { storage_mb: 2, documents: 0 });
      expect(await answerTo(server.url, head(200 * MIB))).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
    });

    it('is let through as long as the form alone could be what is too much', async () => {
      await setLimits(admin, tenant, { storage_mb: 2 });
      expect((await tenant.client.upload('x'.repeat(2 * MIB), 'fits.txt')).status).toBe(202);
      expect(await tenant.client.upload('x', 'late.txt')).toMatchObject({ status: 429, body: { resource: 'storage_mb', used: 2 * MIB, requested: 1 } });
    });
  });
});
