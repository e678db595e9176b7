import { createKey, createTenant, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

describe('the addresses of a key, behind a trusted proxy', () => {
  let server: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start({ TRUSTED_PROXIES: '127.0.0.1, 10.9.0.0/16' });
    tenant = await createTenant(server.anonymous);
  });
  afterAll(() => server.stop());

  it.each<[string, string[], string, number]>([
    ['the address itself', ['203.0.113.7'], '203.0.113.7', 200],
    ['its neighbour', ['203.0.113.7'], '203.0.113.8', 403],
    ['an address of the range', ['203.0.113.0/24'], '203.0.113.255', 200],
    ['one behind the range', ['203.0.113.0/24'], '203.0.114.0', 403],
    ['an IPv6 address of the range', ['2001:db8::/32'], '2001:db8:ffff::1', 200],
    ['an IPv6 address beside it', ['2001:db8::/32'], '2001:db9::1', 403],
    ['an IPv4 address in IPv6 clothes', ['203.0.113.0/24'], '::ffff:203.0.113.9', 200],
    ['an address behind two trusted proxies', ['203.0.113.7'], '203.0.113.7, 10.9.1.1', 200],
    ['one that the client made up before the proxy spoke', ['203.0.113.7'], '203.0.113.7, 198.51.100.1', 403],
  ])('let in or keep out %s', async (_, allowed_ips, forwarded, status) => {
    const key = await createKey(tenant.client, ['read'], { allowed_ips });
    const answer = await key.client.get<{ code?: string }>('/api/v1/databases', { 'x-forwarded-for': forwarded });
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.body.code).toBe('ip_not_allowed');
    await tenant.client.delete(`/api/v1/api-keys/${key.id}`);
  });
});
