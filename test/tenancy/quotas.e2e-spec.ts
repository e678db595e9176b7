import type { ApiClient } from '../support/api-client.js';
import { blobsOf, originalsOf } from '../support/disk.js';
import { administrator, createTenant, eventually, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { untilAnswered } from '../support/insisting.js';
import { quotasOf, setLimits, usedBy } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const MIB = 1024 * 1024;

describe('quotas', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  });
  afterAll(() => server.stop());

  const ingest = (content: string, more: object = {}) => tenant.client.post('/api/v1/ingest/text', { title: 'A text', content, ...more });
  const rowsOf = async (table: string): Promise<number> => (await server.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table} WHERE tenant_id = $1`, [tenant.tenantId]))[0]!.n;
  const originalsOfTenant = async (): Promise<string[]> => (await originalsOf(server)).filter((name) => name.startsWith(tenant.tenantId) || name.startsWith('incoming'));
  const queued = async (): Promise<number> => (await server.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM pgboss.job WHERE data ->> 'tenantId' = $1`, [tenant.tenantId]))[0]!.n;

  async function remove(id: string): Promise<void> {
    const { status } = await tenant.client.delete(`/api/v1/documents/${id}`);
    if (status !== 204) throw new Error(`delete answered ${status}`);
  }

  it('let exactly as many documents in as there is room for, of 60 at once', async () => {
    await setLimits(admin, tenant, { documents: 20 });
    const answers = await Promise.all(Array.from({ length: 60 }, (_, at) => untilAnswered(() => ingest(`Text number ${at}.`))));
    const accepted = answers.filter(({ status }) => status === 202);
    const refused = answers.filter(({ status }) => status !== 202);
    expect(accepted).toHaveLength(20);
    for (const { status, headers, body } of refused) {
      expect(status).toBe(429);
      expect(headers.get('retry-after')).toBeNull();
      expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(body).toMatchObject({
        type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
        code: 'quota_exceeded', resource: 'documents', limit: 20, used: 20, requested: 1, retryable: false, status: 429, instance: '/api/v1/ingest/text',
      });
    }
    await Promise.all(accepted.map(({ body }) => waitForTask(tenant.client, body.task_id)));
    expect(await rowsOf('documents')).toBe(20);
    expect(await rowsOf('jobs')).toBe(20);
    expect(await queued()).toBe(20);
    expect(await originalsOfTenant()).toEqual(accepted.map(({ body }) => `${tenant.tenantId}/${body.document_id}`).toSorted());
    expect(await usedBy(tenant.client)).toMatchObject({ documents: 20, vector_points: 20 });
  });

  it('count storage to the byte', async () => {
    await setLimits(admin, tenant, { storage_mb: 1 });
    const bytes = (count: number, letter: string): string => letter.repeat(count);
    const first = await tenant.client.upload(bytes(MIB - 1000, 'a'), 'first.txt');
    expect(first.status).toBe(202);
    const tooMuch = await tenant.client.upload(bytes(1001, 'b'), 'second.txt');
    expect(tooMuch).toMatchObject({ status: 429, body: { code: 'quota_exceeded', resource: 'storage_mb', limit: MIB, used: MIB - 1000, requested: 1001, retryable: false } });
    const exact = await tenant.client.upload(bytes(1000, 'c'), 'third.txt');
    expect(exact.status).toBe(202);
    expect(await tenant.client.upload('x', 'fourth.txt')).toMatchObject({ status: 429, body: { used: MIB, requested: 1 } });
    expect(await quotasOf(tenant.client)).toMatchObject({ storage_mb: { limit: 1, used: MIB, remaining: 0, is_exceeded: true, is_warning: true, usage_percentage: 100 }, documents: { used: 2 } });
    expect(await originalsOfTenant()).toHaveLength(2);
    await waitForTask(tenant.client, exact.body.task_id);
    await remove(exact.body.document_id);
    await eventually(() => usedBy(tenant.client), ({ storage_mb }) => storage_mb === MIB - 1000);
  });

  it('fail a document whose vectors do not fit, and give everything back', async () => {
    const kept = await ingestText(tenant.client, 'Kept', 'One chunk.');
    const before = await usedBy(tenant.client);
    await setLimits(admin, tenant, { vector_points: 3 });
    const accepted = await ingest('Many sentences make many chunks. '.repeat(40), { chunk_size: 100, chunk_overlap: 0 });
    expect(accepted.status).toBe(202);
    expect(await waitForTask(tenant.client, accepted.body.task_id)).toMatchObject({ status: 'failed', error: expect.stringMatching(/^quota_exceeded: vector_points/) });
    const document = await tenant.client.get(`/api/v1/documents/${accepted.body.document_id}`);
    expect(document.body).toMatchObject({ state: 'FAILED', processing_error: { code: 'quota_exceeded' }, chunks: 0 });
    expect(await usedBy(tenant.client)).toMatchObject({ ...before, api_calls_per_hour: expect.any(Number) });
    expect((await quotasOf(tenant.client))['vector_points']).toMatchObject({ used: 1, reserved: 0, limit: 3 });
    expect((await tenant.client.post('/api/v1/search', { query: 'sentences chunks' })).body.documents.map(({ id }: { id: string }) => id)).toEqual([kept]);
    await remove(accepted.body.document_id);
    await eventually(() => rowsOf('documents'), (rows) => rows === 1);
    expect(await usedBy(tenant.client)).toMatchObject({ ...before, api_calls_per_hour: expect.any(Number) });
  });

  it('let exactly as many vectors in as there is room for, of many documents at once', async () => {
    await setLimits(admin, tenant, { vector_points: 5 });
    const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => ingest(`Paragraph ${at}.`)));
    const ended = await Promise.all(answers.map(({ body }) => waitForTask(tenant.client, body.task_id)));
    expect(ended.filter(({ status }) => status === 'completed')).toHaveLength(5);
    expect(ended.filter(({ status }) => status === 'failed')).toHaveLength(7);
    expect(await quotasOf(tenant.client)).toMatchObject({ vector_points: { used: 5, reserved: 0 }, documents: { used: 5 } });
  });

  it('let exactly as many databases in as there is room for, and give back what is deleted', async () => {
    await setLimits(admin, tenant, { databases: 4 });
    const answers = await Promise.all(Array.from({ length: 10 }, (_, at) => tenant.client.post('/api/v1/databases', { name: `db-${at}` })));
    const created = answers.filter(({ status }) => status === 201);
    expect(created).toHaveLength(3);
    for (const { status, body } of answers) if (status !== 201) expect([status, body]).toMatchObject([429, { code: 'quota_exceeded', resource: 'databases', limit: 4, used: 4, requested: 1 }]);
    expect(await rowsOf('databases')).toBe(4);
    const deletes = await Promise.all(Array.from({ length: 5 }, () => tenant.client.delete(`/api/v1/databases/${created[0]!.body.id}`)));
    expect(deletes.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, 404, 404, 404, 404]);
    expect(await usedBy(tenant.client)).toMatchObject({ databases: 3 });
    expect((await tenant.client.post('/api/v1/databases', { name: 'again' })).status).toBe(201);
  });

  it('let exactly as many keys in as there is room for, and give a revoked one back once', async () => {
    await setLimits(admin, tenant, { api_keys: 3 });
    const answers = await Promise.all(Array.from({ length: 9 }, (_, at) => tenant.client.post('/api/v1/api-keys', { name: `key ${at}`, permissions: ['read'] })));
    const created = answers.filter(({ status }) => status === 201);
    expect(created).toHaveLength(3);
    for (const { status, body } of answers) if (status !== 201) expect([status, body]).toMatchObject([429, { code: 'quota_exceeded', resource: 'api_keys' }]);
    await Promise.all(Array.from({ length: 5 }, () => tenant.client.delete(`/api/v1/api-keys/${created[0]!.body.api_key.id}`)));
    expect(await usedBy(tenant.client)).toMatchObject({ api_keys: 2 });
  });

  it('get back once what ten deletes of one document remove', async () => {
    const other = await ingestText(tenant.client, 'Stays', 'This one stays.');
    const before = await usedBy(tenant.client);
    const id = await ingestText(tenant.client, 'Goes', 'This one goes.');
    const answers = await Promise.all(Array.from({ length: 10 }, () => tenant.client.delete(`/api/v1/documents/${id}`)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, ...Array<number>(9).fill(404)]);
    await eventually(() => rowsOf('documents'), (rows) => rows === 1);
    expect(await usedBy(tenant.client)).toMatchObject({ ...before, api_calls_per_hour: expect.any(Number) });
    expect((await tenant.client.get(`/api/v1/documents/${other}`)).status).toBe(200);
  });

  it('without a limit end nowhere', async () => {
    await setLimits(admin, tenant, { documents: 0 });
    expect((await ingest('Refused.')).status).toBe(429);
    await setLimits(admin, tenant, { documents: null });
    const answers = await Promise.all(Array.from({ length: 5 }, (_, at) => ingest(`Text ${at}.`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(202));
    expect((await quotasOf(tenant.client))['documents']).toMatchObject({ limit: null, used: 5, remaining: null, is_exceeded: false, is_warning: false });
  });

  it('lowered below what is used refuse new things and still let people read and delete', async () => {
    const [first, second] = [await ingestText(tenant.client, 'One', 'The first text about whales.'), await ingestText(tenant.client, 'Two', 'The second text.')];
    await setLimits(admin, tenant, { documents: 1, storage_mb: 0, vector_points: 0, databases: 0 });
    expect((await quotasOf(tenant.client))['documents']).toMatchObject({ used: 2, limit: 1, remaining: 0, is_exceeded: true });
    expect(await ingest('A third.')).toMatchObject({ status: 429, body: { resource: 'documents', used: 2, limit: 1 } });
    expect((await tenant.client.get(`/api/v1/documents/${first}`)).status).toBe(200);
    expect((await tenant.client.get('/api/v1/documents')).body.documents).toHaveLength(2);
    expect((await tenant.client.post('/api/v1/search', { query: 'whales' })).body.results[0].citation.document_id).toBe(first);
    await remove(second);
    await eventually(() => usedBy(tenant.client), ({ documents }) => documents === 1);
    await remove(first);
    await eventually(() => usedBy(tenant.client), ({ documents, storage_mb, vector_points }) => documents === 0 && storage_mb === 0 && vector_points === 0);
  });

  it('are never used less than nothing, whatever comes and goes at once', async () => {
    await setLimits(admin, tenant, { documents: 10, vector_points: 12 });
    const answers = await Promise.all(
      Array.from({ length: 30 }, async (_, at) => {
        const accepted = await untilAnswered(() => ingest(`Short lived text ${at}. `.repeat(1 + (at % 4) * 4), { chunk_size: 100, chunk_overlap: 0 }));
        if (accepted.status !== 202) return accepted.status;
        if (at % 3 === 0) await waitForTask(tenant.client, accepted.body.task_id);
        return (await untilAnswered(() => tenant.client.delete(`/api/v1/documents/${accepted.body.document_id}`))).status;
      }),
    );
    expect(answers.filter((status) => status !== 204 && status !== 429)).toEqual([]);
    await eventually(() => rowsOf('documents'), (rows) => rows === 0, 20_000);
    expect(await quotasOf(tenant.client)).toMatchObject({ documents: { used: 0, reserved: 0 }, storage_mb: { used: 0 }, vector_points: { used: 0, reserved: 0 } });
    expect((await blobsOf(server)).filter((name) => name.startsWith(tenant.tenantId))).toEqual([]);
  });

  it('are the administrator’s to change, and nobody’s else', async () => {
    const change = { quotas: [{ resource_type: 'documents', limit: 1_000_000 }] };
    expect(await tenant.client.patch(`/admin/tenants/${tenant.tenantId}`, change)).toMatchObject({ status: 403, body: { code: 'forbidden_role' } });
    for (const wrong of [{ resource_type: 'documents', limit: -1 }, { resource_type: 'documents', limit: 1.5 }, { resource_type: 'unicorns', limit: 1 }, { resource_type: 'documents', limit: '5' }]) {
      expect(await admin.patch(`/admin/tenants/${tenant.tenantId}`, { quotas: [wrong] })).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
    }
    expect((await quotasOf(tenant.client))['documents']).toMatchObject({ limit: 1000, used: 0 });
  });
});
