import { jest } from '@jest/globals';
import { QuotaReconciliationRepository } from '../../src/tenancy/quota-reconciliation.repository.js';
import type { ApiClient } from '../support/api-client.js';
import { administrator, createKey, createTenant, eventually, ingestText, type Tenant } from '../support/factories.js';
import { untilAnswered } from '../support/insisting.js';
import { quotasOf, setLimits, usedBy } from '../support/quotas.js';
import { falsify, reconcile, type SeenReport } from '../support/reconciliation.js';
import { TestApp } from '../support/test-app.js';

const NO_DRIFT = { documents: 0, storage_mb: 0, vector_points: 0, databases: 0, api_keys: 0 };

describe('the reconciliation of quotas', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null, api_keys: null, documents: null });
  });
  afterAll(() => server.stop());

  const wrong = (resource: string, change: { used?: number; reserved?: number }): Promise<void> => falsify(server.database, tenant.tenantId, resource, change);
  const ingest = (content: string) => tenant.client.post('/api/v1/ingest/text', { title: 'A text', content });

  async function metric(resource: string): Promise<number | undefined> {
    const { body } = await server.anonymous.get<string>('/metrics');
    const line = body.split('\n').find((one) => one.startsWith(`morag_quota_drift{resource="${resource}"}`));
    return line === undefined ? undefined : Number(line.split(' ')[1]);
  }

  it('finds no drift in what a tenant does by itself', async () => {
    const goes = await ingestText(tenant.client, 'Goes', 'This one goes.');
    await ingestText(tenant.client, 'Stays', 'This one stays. '.repeat(50), { chunk_size: 100, chunk_overlap: 0 });
    expect((await tenant.client.post('/api/v1/databases', { name: 'second' })).status).toBe(201);
    const [rotated, revoked] = [await createKey(tenant.client, ['read']), await createKey(tenant.client, ['read'])];
    expect((await tenant.client.post(`/api/v1/api-keys/${rotated.id}/rotate`, { grace_seconds: 60 })).status).toBe(201);
    expect((await tenant.client.delete(`/api/v1/api-keys/${revoked.id}`)).status).toBe(204);
    expect((await tenant.client.delete(`/api/v1/documents/${goes}`)).status).toBe(204);
    const failed = await tenant.client.upload('%PDF-1.7 but broken', 'broken.pdf');
    expect(failed.status).toBe(202);
    await eventually(async () => (await tenant.client.get(`/api/v1/documents/${failed.body.document_id}`)).body.state, (state) => state === 'FAILED');
    expect(await reconcile(admin)).toMatchObject({ is_complete: true, drifts: [], drift_count: 0, drift: NO_DRIFT, repaired: false });
  });

  it('finds every counter that was falsified, leaves it alone, and repairs it exactly when it is told to', async () => {
    await ingestText(tenant.client, 'A page', 'One chunk.');
    await createKey(tenant.client, ['read']);
    const before = await quotasOf(tenant.client);
    await wrong('documents', { used: 5 });
    await wrong('storage_mb', { used: -3 });
    await wrong('vector_points', { used: 7, reserved: 2 });
    await wrong('databases', { used: 1 });
    await wrong('api_keys', { used: 1 });
    const storage = before['storage_mb']!.used;
    const of = (resource_type: string, counted: number, recorded: number, recorded_reserved = 0) => ({ tenant_id: tenant.tenantId, resource_type, counted, recorded, counted_reserved: 0, recorded_reserved });
    const drifts = [of('api_keys', 1, 2), of('databases', 1, 2), of('documents', 1, 6), of('storage_mb', storage, storage - 3), of('vector_points', 1, 8, 2)];
    const drift = { api_keys: 1, databases: 1, documents: 5, storage_mb: 3, vector_points: 9 };

    const seen = await reconcile(admin);
    expect(seen).toMatchObject({ drifts, drift, drift_count: 5, tenants_with_drift: 1, repaired: false, is_complete: true });
    expect(seen.tenants_checked).toBeGreaterThan(1);
    expect(await usedBy(tenant.client)).toMatchObject({ documents: 6, databases: 2 });
    expect(await metric('documents')).toBe(5);
    expect(await metric('vector_points')).toBe(9);
    const page = await admin.get('/admin/health');
    expect(page.body).toMatchObject({ status: 'degraded', quota_drift: { drift, drift_count: 5, tenants_with_drift: 1, repaired: false } });
    expect(page.body.problems).toEqual(expect.arrayContaining([expect.stringMatching(/^quotas: 5 counters/)]));

    expect(await reconcile(admin, { repair: true })).toMatchObject({ drifts, drift, repaired: true });
    const after = await quotasOf(tenant.client);
    for (const [resource, quota] of Object.entries(before)) if (resource !== 'api_calls_per_hour') expect([resource, after[resource]]).toEqual([resource, quota]);
    expect(await metric('documents')).toBe(0);
    expect((await admin.get('/admin/health')).body).toMatchObject({ quota_drift: { drift_count: 5, repaired: true } });
    expect(await reconcile(admin)).toMatchObject({ drifts: [], drift: NO_DRIFT });
  });

  it('looks at one tenant alone when it is named, and knows none that is not there', async () => {
    const other = await createTenant(server.anonymous);
    await falsify(server.database, other.tenantId, 'documents', { used: 4 });
    expect(await reconcile(admin, { tenant_id: tenant.tenantId })).toMatchObject({ tenants_checked: 1, drifts: [] });
    expect(await reconcile(admin, { tenant_id: other.tenantId.toUpperCase(), repair: true })).toMatchObject({ tenants_checked: 1, drift_count: 1, repaired: true });
    expect(await usedBy(other.client)).toMatchObject({ documents: 0 });
    expect(await admin.post('/admin/reconcile', { tenant_id: '019a0000-0000-7000-8000-00000000dead' })).toMatchObject({ status: 404, body: { code: 'not_found' } });
    for (const body of [{ repair: 'yes' }, { tenant_id: 'all' }, { tenant_id: null }, { everything: true }]) expect([body, (await admin.post('/admin/reconcile', body)).status]).toEqual([body, 400]);
    expect(await tenant.client.post('/admin/reconcile', {})).toMatchObject({ status: 403, body: { code: 'forbidden_role' } });
  });

  it('never takes what comes and goes at the same time for drift, nor repairs it away', async () => {
    let isBusy = true;
    const reports: SeenReport[] = [];
    const watch = async (request: { repair?: boolean; tenant_id?: string }): Promise<void> => {
      while (isBusy) reports.push(await reconcile(admin, request));
    };
    const work = async (lane: number): Promise<void> => {
      for (let round = 0; round < 8; round++) {
        const accepted = await ingest(`Lane ${lane}, round ${round}. `.repeat(20));
        expect(accepted.status).toBe(202);
        const { id } = await createKey(tenant.client, ['read']);
        // Some are deleted while they are being ingested, others once they are.
        if (round % 2 === 0) await eventually(async () => (await tenant.client.get(`/api/v1/documents/${accepted.body.document_id}`)).body.state, (state) => state === 'INGESTED');
        if (round % 4 < 3) expect((await tenant.client.delete(`/api/v1/documents/${accepted.body.document_id}`)).status).toBe(204);
        expect((await tenant.client.delete(`/api/v1/api-keys/${id}`)).status).toBe(204);
      }
    };
    const working = Promise.all([1, 2, 3].map(work)).finally(() => (isBusy = false));
    await Promise.all([working, watch({}), watch({ repair: true, tenant_id: tenant.tenantId })]);
    expect(reports.length).toBeGreaterThan(20);
    expect(reports.flatMap(({ drifts }) => drifts)).toEqual([]);
    await eventually(() => usedBy(tenant.client), ({ documents }) => documents === 6, 20_000);
    await eventually(async () => (await quotasOf(tenant.client))['vector_points']!, ({ used, reserved }) => used === 6 && reserved === 0, 20_000);
    expect(await usedBy(tenant.client)).toMatchObject({ documents: 6, api_keys: 0 });
  }, 60_000);

  it('ends exact when a repair of falsified counters races with twenty creations', async () => {
    await wrong('documents', { used: 100 });
    await wrong('storage_mb', { used: 1000, reserved: 10 });
    await wrong('api_keys', { used: 13 });
    const creations = Array.from({ length: 20 }, (_, at) => Promise.all([untilAnswered(() => ingest(`Number ${at}.`)), untilAnswered(() => tenant.client.post('/api/v1/api-keys', { name: `key ${at}`, permissions: ['read'] }))]));
    const repairs = Array.from({ length: 3 }, () => reconcile(admin, { repair: true, tenant_id: tenant.tenantId }));
    const [created, repaired] = await Promise.all([Promise.all(creations), Promise.all(repairs)]);
    expect(created.flat().map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([...Array<number>(20).fill(201), ...Array<number>(20).fill(202)]);
    expect(repaired.flatMap(({ drifts }) => drifts.map(({ resource_type }) => resource_type)).toSorted()).toEqual(['api_keys', 'documents', 'storage_mb']);
    await eventually(() => usedBy(tenant.client), ({ vector_points }) => vector_points === 20, 20_000);
    const [{ bytes }] = (await server.database.query<{ bytes: number }>('SELECT sum(size_bytes)::int AS bytes FROM documents WHERE tenant_id = $1', [tenant.tenantId])) as [{ bytes: number }];
    expect(await quotasOf(tenant.client)).toMatchObject({ documents: { used: 20 }, api_keys: { used: 20 }, storage_mb: { used: bytes, reserved: 0 }, vector_points: { used: 20, reserved: 0 } });
    expect(await reconcile(admin, { tenant_id: tenant.tenantId })).toMatchObject({ drifts: [] });
  }, 60_000);

  it('waits for a writer that holds a counter, and counts what that one has written', async () => {
    await wrong('documents', { used: 50 });
    const { default: pg } = await import('pg');
    const writer = new pg.Client({ connectionString: server.database.superuserUrl });
    await writer.connect();
    try {
      await writer.query('BEGIN');
      await writer.query(
        `INSERT INTO documents (id, tenant_id, user_id, database_id, title, name, type, media_type, state, chunk_size, chunk_overlap, size_bytes, content_checksum, blob_key, job_id)
         SELECT gen_random_uuid(), d.tenant_id, $2, d.id, 'x', 'x', 'text', 'text/plain', 'FAILED', 100, 0, 7, 'x', 'x', gen_random_uuid() FROM databases d WHERE d.tenant_id = $1`,
        [tenant.tenantId, tenant.userId],
      );
      await writer.query(`UPDATE tenant_quotas SET used = used + CASE resource WHEN 'documents' THEN 1 ELSE 7 END WHERE tenant_id = $1 AND resource IN ('documents', 'storage_mb')`, [tenant.tenantId]);
      const repair = reconcile(admin, { repair: true, tenant_id: tenant.tenantId });
      await eventually(() => server.database.query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM tenant_quotas%FOR NO KEY UPDATE'`), (waiting) => waiting.length === 1);
      await writer.query('COMMIT');
      expect((await repair).drifts).toEqual([{ tenant_id: tenant.tenantId, resource_type: 'documents', counted: 1, recorded: 51, counted_reserved: 0, recorded_reserved: 0 }]);
      expect(await usedBy(tenant.client)).toMatchObject({ documents: 1, storage_mb: 7 });
    } finally {
      await writer.end();
    }
  });

  it('looks at ten thousand tenants without a long transaction', async () => {
    await server.database.seed(`INSERT INTO tenants (id) SELECT gen_random_uuid() FROM generate_series(1, 10000)`);
    await server.database.query(
      `INSERT INTO tenant_quotas (tenant_id, resource, hard_limit, used) SELECT t.id, r, 10, CASE WHEN r = 'documents' AND t.n % 1000 = 0 THEN 2 ELSE 0 END
         FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM tenants t WHERE NOT EXISTS (SELECT FROM tenant_quotas q WHERE q.tenant_id = t.id)) t
         CROSS JOIN unnest(ARRAY['documents', 'storage_mb', 'api_calls_per_hour', 'vector_points', 'databases', 'api_keys']) AS r`,
    );
    const compared = jest.spyOn(server.app.get(QuotaReconciliationRepository, { strict: false }), 'findDrifts');
    const found = await reconcile(admin);
    const repaired = await reconcile(admin, { repair: true });
    const calls = [...compared.mock.calls];
    compared.mockRestore();
    expect(found.tenants_checked).toBeGreaterThan(10_000);
    expect(found).toMatchObject({ drift_count: 10, tenants_with_drift: 10, drift: { ...NO_DRIFT, documents: 20 }, is_complete: true });
    expect(repaired).toMatchObject({ drift_count: 10, repaired: true, is_complete: true });
    expect(await reconcile(admin)).toMatchObject({ drift_count: 0 });
    // Few tenants at once, and each time in a transaction of its own, which is short then on any machine.
    expect(calls.length).toBeGreaterThan(100);
    expect(Math.max(...calls.map(([, tenantIds]) => tenantIds.length))).toBeLessThanOrEqual(200);
    expect(new Set(calls.map(([tx]) => tx.manager.queryRunner)).size).toBe(calls.length);
    expect(found.duration_ms).toBeLessThan(60_000);
  }, 120_000);
});
