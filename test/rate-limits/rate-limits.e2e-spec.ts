import { administrator, createKey, createTenant, PASSWORD, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { TestApp } from '../support/test-app.js';

describe('rate limits', () => {
  let server: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    await staysWithinTheHour(20_000);
    server = await TestApp.start();
    tenant = await createTenant(server.anonymous);
  }, 60_000);
  afterAll(() => server.stop());

  it('lets exactly the limit of a key through, however many calls come at once', async () => {
    const key = await createKey(tenant.client, ['read'], { rate_limit_per_hour: 20 });
    const answers = await Promise.all(Array.from({ length: 60 }, () => key.client.get('/api/v1/databases')));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(20);
    const refused = answers.find((answer) => answer.status === 429)!;
    expect(refused.body).toMatchObject({ code: 'rate_limited', retryable: true });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(refused.headers.get('ratelimit-policy')).toMatch(/^"hourly";q=20;w=3600, "tenant";q=1000;w=3600$/);
    expect(refused.headers.get('ratelimit')).toMatch(/^"hourly";r=0;t=\d+, "tenant";r=\d+;t=\d+$/);
  });

  it('leaves the keys beside it alone', async () => {
    const key = await createKey(tenant.client, ['read'], { rate_limit_per_hour: 1 });
    expect((await key.client.get('/api/v1/databases')).status).toBe(200);
    expect((await key.client.get('/api/v1/databases')).status).toBe(429);
    const other = await createKey(tenant.client, ['read'], { rate_limit_per_hour: 1 });
    expect((await other.client.get('/api/v1/databases')).status).toBe(200);
  });

  it('counts a call that lacks the permission against nothing', async () => {
    const key = await createKey(tenant.client, ['read'], { rate_limit_per_hour: 1 });
    expect((await key.client.post('/api/v1/search', { query: 'x' })).status).toBe(403);
    expect((await key.client.get('/api/v1/databases')).status).toBe(200);
  });

  it("refuses every caller of a tenant whose hour is used up, as a windowed quota, and shows what is used", async () => {
    const busy = await createTenant(server.anonymous);
    const admin = await administrator(server);
    const used = async () => (await admin.get(`/admin/tenants/${busy.tenantId}`)).body.usage_stats.api_calls_per_hour as number;
    const before = await used();
    await admin.patch(`/admin/tenants/${busy.tenantId}`, { quotas: [{ resource_type: 'api_calls_per_hour', limit: before + 5 }] });
    const answers = await Promise.all(Array.from({ length: 15 }, () => busy.client.get('/api/v1/tenant/quotas')));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(5);
    const refused = answers.find((answer) => answer.status === 429)!;
    expect(refused.body).toMatchObject({ code: 'quota_exceeded', resource: 'api_calls_per_hour', limit: before + 5, requested: 1 });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await used()).toBe(before + 5);
  });

  it('keeps nobody from revoking the key that used up the hour, from changing the password or from signing out', async () => {
    const robbed = await createTenant(server.anonymous);
    const leaked = await createKey(robbed.client, ['read', 'admin']);
    const admin = await administrator(server);
    await admin.patch(`/admin/tenants/${robbed.tenantId}`, { quotas: [{ resource_type: 'api_calls_per_hour', limit: 0 }] });
    expect((await robbed.client.get('/api/v1/api-keys')).status).toBe(429);
    expect((await leaked.client.delete(`/api/v1/api-keys/${leaked.id}`)).status).toBe(429);
    expect((await robbed.client.delete(`/api/v1/api-keys/${leaked.id}`)).status).toBe(204);
    expect((await robbed.client.post('/auth/change-password', { current_password: PASSWORD, new_password: 'a-wholly-new-password' })).status).toBe(204);
    expect((await robbed.client.post('/auth/logout')).status).toBe(204);
  });
});
