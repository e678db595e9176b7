import type { ApiClient } from '../support/api-client.js';
import { administrator, createKey, createTenant, eventually, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { quotasOf, setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const KEYS = '/api/v1/api-keys';

describe('rotating a key', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
  });
  afterAll(() => server.stop());

  const rotate = (id: string, body?: object, as = tenant.client) => as.post(`${KEYS}/${id}/rotate`, body);
  const works = async (secret: string): Promise<boolean> => (await server.anonymous.asApiKey(secret).get('/auth/me')).status === 200;
  const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString();

  it('answers a successor that inherits everything but the secret and the history, and ends the old one at once', async () => {
    const wanted = {
      name: 'crawler', description: 'nightly', permissions: ['read', 'ingest'], environment: 'test', rate_limit_per_hour: 77, allowed_ips: ['127.0.0.0/8'],
      metadata: { team: 'crawl' }, expires_at: '2099-01-01T00:00:00.000Z',
    };
    const { body: made } = await tenant.client.post(KEYS, wanted);
    await server.anonymous.asApiKey(made.secret_key).get('/auth/me');
    const { status, body } = await rotate(made.api_key.id);
    expect(status).toBe(201);
    expect(body.api_key).toEqual({
      ...made.api_key, id: expect.any(String), created_at: expect.any(String), key_prefix: body.secret_key.slice(0, 12), rotated_from: made.api_key.id, last_used: null, usage_count: 0,
    });
    expect(body.secret_key).toMatch(/^mk_test_/);
    expect(body.secret_key).not.toBe(made.secret_key);
    expect([await works(made.secret_key), await works(body.secret_key)]).toEqual([false, true]);
    expect((await tenant.client.get(`${KEYS}/${made.api_key.id}`)).body.status).toBe('revoked');
    expect(JSON.stringify((await tenant.client.get(`${KEYS}/${body.api_key.id}`)).body)).not.toContain(body.secret_key.slice(12));
  });

  it('lets the old one work until the grace ends, and no longer', async () => {
    const key = await createKey(tenant.client, ['read']);
    const { body } = await rotate(key.id, { grace_seconds: 3600 });
    expect([await works(key.secret), await works(body.secret_key)]).toEqual([true, true]);
    const old = (await tenant.client.get(`${KEYS}/${key.id}`)).body;
    expect(old.status).toBe('active');
    expect(Math.abs(Date.parse(old.expires_at) - Date.now() - 3_600_000)).toBeLessThan(10_000);
    expect(body.api_key.expires_at).toBeNull();
    await server.database.query(`UPDATE api_keys SET expires_at = now() WHERE id = $1`, [key.id]);
    expect((await tenant.client.get(`${KEYS}/${key.id}`)).body.status).toBe('expired');
    expect(await works(body.secret_key)).toBe(true);
  });

  it('never lengthens the old one’s own life by a grace', async () => {
    const expires_at = inSeconds(60);
    const key = await createKey(tenant.client, ['read'], { expires_at });
    const { body } = await rotate(key.id, { grace_seconds: 604_800 });
    expect((await tenant.client.get(`${KEYS}/${key.id}`)).body.expires_at).toBe(expires_at);
    expect(body.api_key.expires_at).toBe(expires_at);
  });

  it('shares one rate limit between the two, so that a rotation buys no calls', async () => {
    await staysWithinTheHour(5000);
    const key = await createKey(tenant.client, ['read'], { rate_limit_per_hour: 10 });
    const call = async (secret: string): Promise<number> => (await server.anonymous.asApiKey(secret).get('/api/v1/databases')).status;
    for (let at = 0; at < 6; at++) expect(await call(key.secret)).toBe(200);
    const { body } = await rotate(key.id, { grace_seconds: 60 });
    const statuses = await Promise.all(Array.from({ length: 20 }, (_, at) => call(at % 2 ? key.secret : body.secret_key)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(4);
    const third = await rotate(body.api_key.id);
    expect(await call(third.body.secret_key)).toBe(429);
  });

  it('needs no room in the quota, and gives the place back once, whichever is revoked in whichever order', async () => {
    await setLimits(admin, tenant, { api_keys: 1 });
    const key = await createKey(tenant.client, ['read']);
    const used = async (): Promise<number> => (await quotasOf(tenant.client))['api_keys']!.used;
    const { body } = await rotate(key.id, { grace_seconds: 60 });
    expect(await used()).toBe(1);
    expect((await tenant.client.post(KEYS, { name: 'one more' })).status).toBe(429);
    expect((await tenant.client.delete(`${KEYS}/${key.id}`)).status).toBe(204);
    expect([await used(), await works(key.secret), await works(body.secret_key)]).toEqual([1, false, true]);
    expect((await tenant.client.delete(`${KEYS}/${body.api_key.id}`)).status).toBe(204);
    expect(await used()).toBe(0);
  });

  it('ends with the key: whoever revokes the successor revokes the older secrets as well, or they would be keys that nobody counts', async () => {
    await setLimits(admin, tenant, { api_keys: 1 });
    for (let round = 0; round < 2; round++) {
      const key = await createKey(tenant.client, ['read']);
      const second = await rotate(key.id, { grace_seconds: 604_800 });
      const third = await rotate(second.body.api_key.id, { grace_seconds: 604_800 });
      expect(await Promise.all([key.secret, second.body.secret_key, third.body.secret_key].map(works))).toEqual([true, true, true]);
      expect((await tenant.client.delete(`${KEYS}/${third.body.api_key.id}`)).status).toBe(204);
      expect(await Promise.all([key.secret, second.body.secret_key, third.body.secret_key].map(works))).toEqual([false, false, false]);
      expect((await quotasOf(tenant.client))['api_keys']!.used).toBe(0);
    }
  });

  it('hands on what the key may do now, not what it might before a change at the same moment', async () => {
    for (let round = 0; round < 8; round++) {
      const key = await createKey(tenant.client, ['read', 'write']);
      const [narrowed, rotated] = await Promise.all([tenant.client.patch(`${KEYS}/${key.id}`, { permissions: ['read'], status: 'inactive' }), rotate(key.id)]);
      expect([200, 409]).toContain(narrowed.status);
      expect(rotated.status).toBe(201);
      if (narrowed.status === 200) expect(rotated.body.api_key).toMatchObject({ permissions: ['read'], status: 'inactive' });
      await tenant.client.delete(`${KEYS}/${rotated.body.api_key.id}`);
    }
  });

  it('keeps the name for the successor alone', async () => {
    const { body: made } = await tenant.client.post(KEYS, { name: 'the one' });
    const { body } = await rotate(made.api_key.id, { grace_seconds: 60 });
    expect((await tenant.client.post(KEYS, { name: 'the one' })).status).toBe(409);
    expect((await tenant.client.get(`${KEYS}?name_contains=the one`)).body.total).toBe(2);
    await tenant.client.delete(`${KEYS}/${body.api_key.id}`);
    expect((await tenant.client.post(KEYS, { name: 'the one' })).status).toBe(201);
  });

  it('happens once: of ten at once one succeeds, and nine are told who the successor is', async () => {
    const key = await createKey(tenant.client, ['read']);
    const answers = await Promise.all(Array.from({ length: 10 }, () => rotate(key.id, { grace_seconds: 60 })));
    const [done, ...more] = answers.filter(({ status }) => status === 201);
    expect(more).toEqual([]);
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused).toHaveLength(9);
    for (const { body } of refused) expect(body).toMatchObject({ code: 'illegal_transition', rotated_to: done!.body.api_key.id, allowed: ['revoked'] });
    expect((await tenant.client.get(KEYS)).body.total).toBe(2);
  });

  it('and revoking at the same time leave no more than the successor at work', async () => {
    for (let round = 0; round < 5; round++) {
      const key = await createKey(tenant.client, ['read']);
      const [rotated, revoked] = await Promise.all([rotate(key.id, { grace_seconds: 600 }), tenant.client.delete(`${KEYS}/${key.id}`)]);
      expect(revoked.status).toBe(204);
      expect([201, 409]).toContain(rotated.status);
      expect(await works(key.secret)).toBe(false);
      if (rotated.status === 201) await tenant.client.delete(`${KEYS}/${rotated.body.api_key.id}`);
    }
    expect((await quotasOf(tenant.client))['api_keys']!.used).toBe(0);
  });

  it('is refused for a key that has ended, and a rotated one can only be revoked', async () => {
    const revoked = await createKey(tenant.client, ['read']);
    await tenant.client.delete(`${KEYS}/${revoked.id}`);
    expect(await rotate(revoked.id)).toMatchObject({ status: 409, body: { code: 'illegal_transition', allowed: [] } });
    const expired = await createKey(tenant.client, ['read']);
    await server.database.query(`UPDATE api_keys SET expires_at = now() WHERE id = $1`, [expired.id]);
    expect(await rotate(expired.id)).toMatchObject({ status: 409, body: { code: 'illegal_transition' } });
    const old = await createKey(tenant.client, ['read']);
    await rotate(old.id, { grace_seconds: 60 });
    for (const change of [{ expires_at: null }, { name: 'x' }, { permissions: ['read', 'write'] }]) {
      expect(await tenant.client.patch(`${KEYS}/${old.id}`, change)).toMatchObject({ status: 409, body: { code: 'illegal_transition', allowed: ['revoked'] } });
    }
    expect((await rotate('00000000-0000-7000-8000-000000000000')).status).toBe(404);
  });

  it.each([-1, 604_801, 1.5, '60', null])('refuses a grace of %j', async (grace_seconds) => {
    const key = await createKey(tenant.client, ['read']);
    expect(await rotate(key.id, { grace_seconds })).toMatchObject({ status: 400, body: { errors: [{ field: 'grace_seconds' }] } });
    expect(await works(key.secret)).toBe(true);
  });

  it('is no way for a key to get hold of one that may do more', async () => {
    const maker = await createKey(tenant.client, ['read', 'admin']);
    const wider = await createKey(tenant.client, ['read', 'write']);
    expect(await rotate(wider.id, {}, maker.client)).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    expect(await works(wider.secret)).toBe(true);
    const own = await rotate(maker.id, {}, maker.client);
    expect(own.status).toBe(201);
    expect([await works(maker.secret), await works(own.body.secret_key)]).toEqual([false, true]);
  });
});

describe('verifying a key for a gateway', () => {
  let server: TestApp;
  let tenant: Tenant;
  let gateway: ApiClient;

  beforeAll(async () => {
    await staysWithinTheHour(15_000);
    server = await TestApp.start();
    tenant = await createTenant(server.anonymous);
    gateway = (await createKey(tenant.client, ['admin'])).client;
  }, 60_000);
  afterAll(() => server.stop());

  const verify = (body: object, as = gateway) => as.post(`${KEYS}/verify`, body);

  it('answers the key, its tenant and what is left of its hour, and counts one call', async () => {
    const key = await createKey(tenant.client, ['search'], { rate_limit_per_hour: 5, metadata: { plan: 'gold' } });
    const first = await verify({ key: key.secret, permission: 'search', ip: '192.0.2.7' });
    expect(first).toMatchObject({
      status: 200,
      body: { valid: true, code: 'valid', tenant_id: tenant.tenantId, api_key: { id: key.id, metadata: { plan: 'gold' } }, ratelimit: { limit: 5, remaining: 4, reset_seconds: expect.any(Number) } },
    });
    expect(JSON.stringify(first.body)).not.toContain(key.secret.slice(12));
    const answers = await Promise.all(Array.from({ length: 10 }, () => verify({ key: key.secret })));
    expect(answers.filter(({ body }) => body.valid)).toHaveLength(4);
    for (const { body } of answers.filter(({ body: { valid } }) => !valid)) expect(body).toMatchObject({ code: 'rate_limited', ratelimit: { limit: 5, remaining: 0 } });
    // It shows that the key is in use, though no request of its own has come.
    await eventually(() => tenant.client.get(`${KEYS}/${key.id}`), ({ body }) => body.last_used !== null);
    expect((await tenant.client.get(`${KEYS}/${key.id}`)).body.usage_count).toBe(0);
    // One limit, wherever it is used.
    expect((await key.client.get('/auth/me')).status).toBe(429);
  });

  it('says what is wrong, and then counts nothing', async () => {
    const key = await createKey(tenant.client, ['read', 'search'], { rate_limit_per_hour: 1, allowed_ips: ['192.0.2.0/24'] });
    const code = async (body: object): Promise<string> => {
      const answer = await verify({ key: key.secret, ...body });
      expect(answer).toMatchObject({ status: 200, body: { ratelimit: null } });
      expect(answer.body.valid).toBe(false);
      return answer.body.code as string;
    };
    expect(await code({ permission: 'write' })).toBe('insufficient_scope');
    expect(await code({ ip: '198.51.100.1' })).toBe('ip_not_allowed');
    expect(await code({ key: `mk_live_${'0'.repeat(38)}` })).toBe('not_found');
    expect(await code({ key: 'anything else' })).toBe('not_found');
    await tenant.client.patch(`${KEYS}/${key.id}`, { status: 'inactive' });
    expect(await code({})).toBe('disabled');
    await tenant.client.patch(`${KEYS}/${key.id}`, { status: 'active' });
    expect((await verify({ key: key.secret, ip: '192.0.2.9' })).body).toMatchObject({ valid: true, ratelimit: { remaining: 0 } });
    await server.database.query(`UPDATE api_keys SET expires_at = now() WHERE id = $1`, [key.id]);
    await tenant.client.patch(`${KEYS}/${key.id}`, { name: 'so that it is looked up anew' });
    expect(await code({})).toBe('expired');
    await tenant.client.delete(`${KEYS}/${key.id}`);
    expect(await code({})).toBe('revoked');
  });

  it('knows no key of another tenant, exactly as if there were none', async () => {
    const stranger = await createTenant(server.anonymous);
    const foreign = await createKey(stranger.client, ['read'], { rate_limit_per_hour: 1 });
    expect((await verify({ key: foreign.secret })).body).toEqual((await verify({ key: `mk_live_${'0'.repeat(38)}` })).body);
    expect((await foreign.client.get('/auth/me')).status).toBe(200);
  });

  it('is for those who may see keys', async () => {
    const reader = await createKey(tenant.client, ['read', 'search']);
    expect(await verify({ key: reader.secret }, reader.client)).toMatchObject({ status: 403, body: { code: 'insufficient_scope', required_permission: 'admin' } });
    for (const wrong of [{}, { key: 1 }, { key: reader.secret, permission: 'root' }, { key: reader.secret, ip: 'here' }, { key: reader.secret, what: 1 }]) expect((await verify(wrong)).status).toBe(400);
  });
});
