import { randomUUID } from 'node:crypto';
import type { ApiClient } from '../support/api-client.js';
import { administrator, changeStanding, createTenant, ingestText, signIn, PASSWORD, type Tenant } from '../support/factories.js';
import { untilAnswered } from '../support/insisting.js';
import { quotasOf, setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

describe('what the administrator changes of a tenant', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
  });

  const change = (body: object) => admin.patch(`/admin/tenants/${tenant.tenantId}`, body);

  it('is only what is named: a limit, a threshold, either of one resource', async () => {
    const before = await quotasOf(tenant.client);
    expect((await change({ quotas: [{ resource_type: 'documents', warning_threshold: 50 }, { resource_type: 'databases', limit: null }] })).status).toBe(200);
    expect(await quotasOf(tenant.client)).toEqual({
      ...before,
      api_calls_per_hour: expect.anything(),
      documents: { ...before['documents'], warning_threshold: 50 },
      databases: { ...before['databases'], limit: null, remaining: null, usage_percentage: 0, is_warning: false, is_exceeded: false },
    });
    expect((await change({ quotas: [{ resource_type: 'databases', limit: 3 }] })).status).toBe(200);
    expect((await quotasOf(tenant.client))['databases']).toMatchObject({ limit: 3, remaining: 2, warning_threshold: 80 });
    expect((await change({ metadata: { contract: 'C-2041' } })).body).toMatchObject({ metadata: { contract: 'C-2041' }, status: 'active' });
  });

  it('warns from the threshold on, of what is used and not of what is shown', async () => {
    await ingestText(tenant.client, 'Fossils', 'The quetzalcoatlus could fly.');
    const isWarning = async (): Promise<boolean> => ((await tenant.client.get('/api/v1/tenant/quotas')).body.quotas as { resource_type: string; is_warning: boolean }[]).find(({ resource_type }) => resource_type === 'documents')!.is_warning;
    const seen: boolean[] = [];
    for (const [limit, warning_threshold] of [[2, 50], [2, 51], [1, 100], [100, 1], [101, 1], [0, 100]] as const) {
      expect((await change({ quotas: [{ resource_type: 'documents', limit, warning_threshold }] })).status).toBe(200);
      seen.push(await isWarning());
    }
    expect(seen).toEqual([true, false, true, true, false, true]);
    await server.database.query(`UPDATE tenant_quotas SET used = 79997, hard_limit = 100000, warning_threshold = 80 WHERE tenant_id = $1 AND resource = 'documents'`, [tenant.tenantId]);
    expect((await tenant.client.get('/api/v1/tenant/quotas')).body.quotas).toContainEqual(expect.objectContaining({ resource_type: 'documents', usage_percentage: 80, is_warning: false }));
  });

  it.each<[string, object, string]>([
    ['one resource twice', { quotas: [{ resource_type: 'documents', limit: 5 }, { resource_type: 'documents', limit: 6 }] }, 'quotas'],
    ['one resource twice, for different things', { quotas: [{ resource_type: 'documents', limit: 5 }, { resource_type: 'documents', warning_threshold: 6 }] }, 'quotas'],
    ['a quota that is nothing', { quotas: [null] }, 'quotas.0'],
    ['quotas that are null', { quotas: null }, 'quotas'],
    ['a threshold of 0', { quotas: [{ resource_type: 'documents', warning_threshold: 0 }] }, 'quotas.0.warning_threshold'],
    ['a threshold of 101', { quotas: [{ resource_type: 'documents', warning_threshold: 101 }] }, 'quotas.0.warning_threshold'],
    ['no threshold', { quotas: [{ resource_type: 'documents', warning_threshold: null }] }, 'quotas.0.warning_threshold'],
    ['a use', { quotas: [{ resource_type: 'documents', used: 0 }] }, 'quotas.0.used'],
    ['an unknown status', { status: 'deleted' }, 'status'],
    ['metadata of more than 16 KiB', { metadata: { text: 'x'.repeat(16_384) } }, 'metadata'],
    ['another owner', { user_id: randomUUID() }, 'user_id'],
  ])('is never %s', async (_, wrong, field) => {
    const before = (await admin.get(`/admin/tenants/${tenant.tenantId}`)).body;
    const { status, body } = await change(wrong);
    expect({ status, code: body.code, field: body.errors?.[0].field }).toEqual({ status: 400, code: 'validation_failed', field });
    const after = (await admin.get(`/admin/tenants/${tenant.tenantId}`)).body;
    expect({ ...after, quotas: null, usage_stats: null }).toEqual({ ...before, quotas: null, usage_stats: null });
    expect((await quotasOf(tenant.client))['documents']).toMatchObject({ limit: 1000, warning_threshold: 80 });
  });

  it('waits for nobody in a circle, whatever the order it is named in', async () => {
    await setLimits(admin, tenant, { api_calls_per_hour: null });
    const texts = Promise.all(Array.from({ length: 40 }, (_, at) => untilAnswered(() => tenant.client.post('/api/v1/ingest/text', { title: `Text ${at}`, content: `Text number ${at}.` }))));
    const changed: number[] = [];
    for (let at = 0; at < 10; at++) {
      const { status } = await untilAnswered(() => change({ quotas: ['vector_points', 'storage_mb', 'documents'].map((resource_type) => ({ resource_type, limit: 500 + at })) }));
      changed.push(status);
    }
    expect(changed).toEqual(Array(10).fill(200));
    expect((await texts).map(({ status }) => status)).toEqual(Array(40).fill(202));
  });

  describe('who is the last administrator', () => {
    let own: { tenantId: string; userId: string };

    beforeEach(async () => {
      const { body } = await admin.get('/api/v1/tenant/info');
      own = { tenantId: body.tenant_id, userId: body.user_id };
    });

    it.each(['suspended', 'inactive'])('may not be made %s', async (status) => {
      expect(await admin.patch(`/admin/tenants/${own.tenantId}`, { status, metadata: { gone: true } })).toMatchObject({ status: 409, body: { code: 'last_administrator' } });
      expect((await admin.get(`/admin/tenants/${own.tenantId}`)).body).toMatchObject({ status: 'active', metadata: {} });
      expect((await admin.patch(`/admin/tenants/${own.tenantId}`, { status: 'trial' })).status).toBe(200);
      expect((await admin.patch(`/admin/tenants/${own.tenantId}`, { status: 'active' })).status).toBe(200);
    });

    it('is who is left when the tenant of every other is suspended', async () => {
      await changeStanding(admin, tenant.userId, { role: 'ADMIN' });
      expect((await change({ status: 'suspended' })).status).toBe(200);
      expect(await admin.patch(`/admin/users/${own.userId}`, { role: 'USER' })).toMatchObject({ status: 409, body: { code: 'last_administrator' } });
      expect(await admin.patch(`/admin/tenants/${own.tenantId}`, { status: 'suspended' })).toMatchObject({ status: 409 });
      // The other one may go: it could do nothing anyway.
      await changeStanding(admin, tenant.userId, { role: 'USER' });
    });

    it('is not both of two who suspend each other at once', async () => {
      for (let round = 0; round < 3; round++) {
        await changeStanding(admin, tenant.userId, { role: 'ADMIN' });
        const other = server.anonymous.asUser(await signIn(server.anonymous, tenant.email, PASSWORD));
        const answers = await Promise.all([change({ status: 'suspended' }), other.patch(`/admin/users/${own.userId}`, { is_active: false })]);
        const left = await server.database.query<{ id: string }>(`SELECT u.id FROM users u JOIN tenants t ON t.id = u.tenant_id WHERE role = 'ADMIN' AND is_active AND status = 'active'`);
        expect(left).toHaveLength(1);
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
        await server.database.query(`UPDATE users SET is_active = true, role = CASE id WHEN $1 THEN 'ADMIN' ELSE 'USER' END`, [own.userId]);
        await server.database.query(`UPDATE tenants SET status = 'active'`);
        admin = await administrator(server);
      }
    });
  });
});
