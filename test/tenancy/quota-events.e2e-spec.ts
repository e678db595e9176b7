import { Transactions } from '../../src/persistence/transactions.js';
import { RateLimits, tenantSubject } from '../../src/rate-limits/rate-limits.js';
import { CallQuotasRepository } from '../../src/tenancy/call-quotas.repository.js';
import { levelOf } from '../../src/tenancy/quota-level.js';
import type { ApiClient } from '../support/api-client.js';
import { administrator, createTenant, eventually, signIn, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { setLimits } from '../support/quotas.js';
import { describeWithRedis, RedisServer } from '../support/redis-server.js';
import { Sandbox } from '../support/sandbox.js';
import type { ServerProcess } from '../support/server-process.js';
import { ADMIN, TestApp } from '../support/test-app.js';
import { TestDatabase } from '../support/test-database.js';

const MIB = 1024 * 1024;

interface QuotaEvent {
  type: string;
  payload: Record<string, unknown>;
}

const eventsOf = (database: TestDatabase, { tenantId }: Tenant, resource: string): Promise<QuotaEvent[]> =>
  database.query<{ type: string; payload: Record<string, unknown> }>(`SELECT type, payload FROM events WHERE tenant_id = $1 AND payload ->> 'resource' = $2 ORDER BY sequence`, [tenantId, resource]);
const typesOf = async (database: TestDatabase, tenant: Tenant, resource: string): Promise<string[]> => (await eventsOf(database, tenant, resource)).map(({ type }) => type);

async function setThreshold(admin: ApiClient, { tenantId }: Tenant, resource_type: string, warning_threshold: number): Promise<void> {
  const { status } = await admin.patch(`/admin/tenants/${tenantId}`, { quotas: [{ resource_type, warning_threshold }] });
  expect(status).toBe(200);
}

describe('a quota', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  beforeEach(async () => {
    // Before the first call of the tenant, which would count for less behind the edge.
    await staysWithinTheHour(20_000);
    tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  }, 50_000);
  afterAll(() => server.stop());

  const types = (resource: string): Promise<string[]> => typesOf(server.database, tenant, resource);
  const use = (resource: string, used: number): Promise<unknown> => server.database.query('UPDATE tenant_quotas SET used = $3 WHERE tenant_id = $1 AND resource = $2', [tenant.tenantId, resource, used]);

  it('publishes each crossing once, of 50 that come and 50 that go at once', async () => {
    await setLimits(admin, tenant, { api_keys: 50 });
    const created = await Promise.all(Array.from({ length: 60 }, (_, at) => tenant.client.post('/api/v1/api-keys', { name: `key ${at}`, permissions: ['read'] })));
    const ids = created.filter(({ status }) => status === 201).map(({ body }) => body.api_key.id as string);
    expect(ids).toHaveLength(50);
    expect(await eventsOf(server.database, tenant, 'api_keys')).toEqual([
      { type: 'quota.warning', payload: { resource: 'api_keys', limit: 50, used: 40, reserved: 0, warning_threshold: 80, level: 'warning', previous_level: 'below' } },
      { type: 'quota.exceeded', payload: { resource: 'api_keys', limit: 50, used: 50, reserved: 0, warning_threshold: 80, level: 'reached', previous_level: 'warning' } },
    ]);
    const revoked = await Promise.all(ids.map((id) => tenant.client.delete(`/api/v1/api-keys/${id}`)));
    expect(revoked.map(({ status }) => status)).toEqual(ids.map(() => 204));
    expect((await eventsOf(server.database, tenant, 'api_keys')).slice(2)).toMatchObject([
      { type: 'quota.recovered', payload: { used: 49, level: 'warning', previous_level: 'reached' } },
      { type: 'quota.recovered', payload: { used: 39, level: 'below', previous_level: 'warning' } },
    ]);
  });

  it('publishes nothing of what was rolled back', async () => {
    const transactions = server.app.get(Transactions, { strict: false });
    await expect(
      transactions.forTenant(tenant.tenantId, async (tx) => {
        await tx.manager.query(`UPDATE tenant_quotas SET used = hard_limit WHERE resource = 'documents'`);
        expect(await tx.manager.query('SELECT type FROM events')).toEqual([{ type: 'quota.warning' }, { type: 'quota.exceeded' }]);
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    expect(await types('documents')).toEqual([]);
  });

  it('publishes both when one step crosses both, and one when one step goes back over both', async () => {
    await use('documents', 1000);
    expect(await eventsOf(server.database, tenant, 'documents')).toMatchObject([
      { type: 'quota.warning', payload: { level: 'reached', previous_level: 'below' } },
      { type: 'quota.exceeded', payload: { level: 'reached', previous_level: 'below' } },
    ]);
    await use('documents', 0);
    expect((await eventsOf(server.database, tenant, 'documents')).slice(2)).toMatchObject([{ type: 'quota.recovered', payload: { level: 'below', previous_level: 'reached' } }]);
  });

  it('publishes what the administrator does to it: limits, their end, thresholds', async () => {
    await use('documents', 500);
    await setLimits(admin, tenant, { documents: 600 });
    await setLimits(admin, tenant, { documents: 500 });
    await setLimits(admin, tenant, { documents: null });
    await setLimits(admin, tenant, { documents: 0 });
    await setLimits(admin, tenant, { documents: 1000 });
    expect(await types('documents')).toEqual(['quota.warning', 'quota.exceeded', 'quota.recovered', 'quota.warning', 'quota.exceeded', 'quota.recovered']);
    await setThreshold(admin, tenant, 'documents', 50);
    await setThreshold(admin, tenant, 'documents', 51);
    expect((await types('documents')).slice(6)).toEqual(['quota.warning', 'quota.recovered']);
    const [unlimited] = (await eventsOf(server.database, tenant, 'documents')).filter(({ payload }) => payload['limit'] === null);
    expect(unlimited).toMatchObject({ type: 'quota.recovered', payload: { used: 500, level: 'below' } });
  });

  it('of storage tells MiB as everywhere else, and bytes', async () => {
    await setLimits(admin, tenant, { storage_mb: 2 });
    await use('storage_mb', 1.75 * MIB + 1);
    expect(await eventsOf(server.database, tenant, 'storage_mb')).toEqual([
      {
        type: 'quota.warning',
        payload: {
          resource: 'storage_mb', limit: 2, used: 1.75, reserved: 0, limit_bytes: 2 * MIB, used_bytes: 1.75 * MIB + 1, reserved_bytes: 0,
          warning_threshold: 80, level: 'warning', previous_level: 'below',
        },
      },
    ]);
  });

  it('is shown on the level that its events tell, also beside its thresholds', async () => {
    const cases = [[1000, 799, 80], [1000, 800, 80], [1000, 999, 80], [1000, 1000, 80], [1000, 1001, 80], [100_000, 79_999, 80], [7, 1, 15], [7, 2, 15], [3, 2, 67], [1, 0, 1], [0, 0, 80], [50, 49, 100], [50, 50, 100]] as const;
    for (const [hardLimit, used, warningThreshold] of cases) {
      const [row] = await server.database.query<{ level: string }>(
        `UPDATE tenant_quotas SET hard_limit = $2, used = $3 - reserved, warning_threshold = $4 WHERE tenant_id = $1 AND resource = 'vector_points' RETURNING level`,
        [tenant.tenantId, hardLimit, used, warningThreshold],
      );
      const level = levelOf({ hardLimit, used, reserved: 0, warningThreshold });
      expect([hardLimit, used, warningThreshold, row!.level]).toEqual([hardLimit, used, warningThreshold, level]);
      const { body } = await tenant.client.get('/api/v1/tenant/quotas');
      const shown = body.quotas.find((quota: { resource_type: string }) => quota.resource_type === 'vector_points');
      expect(shown).toMatchObject({ limit: hardLimit, used, is_warning: level !== 'below', is_exceeded: level === 'reached' });
    }
  });

  it('has a level whatever the numbers', async () => {
    const level = async (hardLimit: string, used: string): Promise<string> =>
      (await server.database.query<{ level: string }>(`UPDATE tenant_quotas SET hard_limit = $2, used = $3 WHERE tenant_id = $1 AND resource = 'storage_mb' RETURNING level`, [tenant.tenantId, hardLimit, used]))[0]!.level;
    expect(await level('9223372036854775807', '9000000000000000000')).toBe('warning');
    expect(await level('9223372036854775807', '9223372036854775807')).toBe('reached');
    expect(await level('9223372036854775807', '1')).toBe('below');
    expect((await admin.patch(`/admin/tenants/${tenant.tenantId}`, { quotas: [{ resource_type: 'storage_mb', limit: 1_000_000_000 }] })).status).toBe(200);
  });

  it('is counted for the operator when it was crossed, and says so in no tenant’s name', async () => {
    const counted = async (type: string): Promise<number> => Number(new RegExp(`morag_quota_crossings_total\\{resource="databases",type="${type}"\\} (\\d+)`).exec((await server.anonymous.get<string>('/metrics')).body)?.[1] ?? 0);
    await setLimits(admin, tenant, { databases: 1 });
    await eventually(() => counted('quota.exceeded'), (count) => count === 1);
    expect(await counted('quota.warning')).toBe(1);
    await setLimits(admin, tenant, { databases: 10 });
    await eventually(() => counted('quota.recovered'), (count) => count === 1);
    expect((await server.anonymous.get<string>('/metrics')).body).not.toContain(tenant.tenantId);
  });

  describe('of calls an hour', () => {
    const call = (): Promise<{ status: number }> => tenant.client.get('/api/v1/databases');
    const calls = (): Promise<QuotaEvent[]> => eventsOf(server.database, tenant, 'api_calls_per_hour');
    const arrived = (count: number): Promise<QuotaEvent[]> => eventually(calls, (events) => events.length >= count);

    beforeEach(async () => {
      await setLimits(admin, tenant, { api_calls_per_hour: 100 });
      // The first call, which `createTenant` made, was counted.
      expect(await server.app.get(RateLimits, { strict: false }).used(tenant.tenantId, tenantSubject(tenant.tenantId))).toBe(1);
    });

    it('publishes each crossing once, however many calls come at once, and nothing for those that are refused', async () => {
      await setLimits(admin, tenant, { api_calls_per_hour: 40 });
      const answers = await Promise.all(Array.from({ length: 50 }, call));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(39);
      expect((await arrived(2)).map(({ type }) => type)).toEqual(['quota.warning', 'quota.exceeded']);
      for (let at = 0; at < 20; at++) expect((await call()).status).toBe(429);
      const [warning, exceeded] = await calls();
      expect(warning!.payload).toMatchObject({ limit: 40, warning_threshold: 80 });
      expect(exceeded!.payload).toMatchObject({ limit: 40, used: 40, level: 'reached' });
      expect(await calls()).toHaveLength(2);
      await setLimits(admin, tenant, { api_calls_per_hour: 1000 });
      expect((await calls()).slice(2)).toMatchObject([{ type: 'quota.recovered', payload: { level: 'below', previous_level: 'reached' } }]);
    });

    it('misses none that crosses a new limit while the row is still looked at for it', async () => {
      await setLimits(admin, tenant, { api_calls_per_hour: 40 });
      const quotas = server.app.get(CallQuotasRepository, { strict: false });
      const { find } = quotas;
      const { promise: answered, resolve } = Promise.withResolvers<void>();
      quotas.find = async (tx) => {
        if (tx.tenantId === tenant.tenantId) await answered;
        return find.call(quotas, tx);
      };
      try {
        await Promise.all(Array.from({ length: 39 }, call));
      } finally {
        quotas.find = find;
        resolve();
      }
      expect((await arrived(2)).map(({ type }) => type)).toEqual(['quota.warning', 'quota.exceeded']);
    });

    it('notices the very call that crosses', async () => {
      await setLimits(admin, tenant, { api_calls_per_hour: 10 });
      for (let at = 0; at < 6; at++) expect((await call()).status).toBe(200);
      expect(await server.database.query(`SELECT used::int, level FROM tenant_quotas WHERE tenant_id = $1 AND resource = 'api_calls_per_hour'`, [tenant.tenantId])).toEqual([{ used: 0, level: 'below' }]);
      expect((await call()).status).toBe(200);
      expect(await arrived(1)).toMatchObject([{ type: 'quota.warning', payload: { used: 8, level: 'warning', previous_level: 'below' } }]);
      for (let at = 8; at < 10; at++) expect((await call()).status).toBe(200);
      expect((await arrived(2))[1]).toMatchObject({ type: 'quota.exceeded', payload: { used: 10, level: 'reached', previous_level: 'warning' } });
    });

    it('measures anew when the limit or the threshold changes, without another call', async () => {
      for (let at = 1; at < 10; at++) expect((await call()).status).toBe(200);
      expect(await calls()).toEqual([]);
      await setThreshold(admin, tenant, 'api_calls_per_hour', 10);
      expect(await arrived(1)).toMatchObject([{ type: 'quota.warning', payload: { used: 10, limit: 100, warning_threshold: 10 } }]);
      await setLimits(admin, tenant, { api_calls_per_hour: 9 });
      expect((await arrived(2))[1]).toMatchObject({ type: 'quota.exceeded', payload: { used: 10, limit: 9 } });
      const { body } = await admin.get(`/admin/tenants/${tenant.tenantId}`);
      const shown = body.quotas.quotas.find((quota: { resource_type: string }) => quota.resource_type === 'api_calls_per_hour');
      expect(shown).toMatchObject({ used: 10, limit: 9, is_warning: true, is_exceeded: true });
    });

    it('are not taken for fewer by a count from before another process raised the level', async () => {
      for (let at = 1; at < 80; at++) expect((await call()).status).toBe(200);
      await arrived(1);
      const limits = server.app.get(RateLimits, { strict: false });
      const used = limits.used.bind(limits);
      let counts = 0;
      limits.used = async (...of) => (counts++ === 0 ? 40 : used(...of));
      try {
        // Not through the API, which would count for its answer.
        await server.database.query(`UPDATE tenant_quotas SET warning_threshold = 79 WHERE tenant_id = $1 AND resource = 'api_calls_per_hour'`, [tenant.tenantId]);
        await eventually(async () => counts > 1 || (await calls()).length > 1, Boolean);
      } finally {
        limits.used = used;
      }
      await setLimits(admin, tenant, { api_calls_per_hour: 80 });
      expect((await arrived(2)).map(({ type }) => type)).toEqual(['quota.warning', 'quota.exceeded']);
    });
  });
});

describeWithRedis('calls an hour that two processes count together', () => {
  const sandbox = new Sandbox();
  let redis: RedisServer;
  let database: TestDatabase;
  let servers: ServerProcess[];
  let tenant: Tenant;
  let admin: ApiClient;

  beforeAll(async () => {
    redis = await RedisServer.start();
    database = await TestDatabase.create();
    const env = { ROLE: 'api', NODE_ENV: 'test', DATABASE_URL: database.url, DATA_DIR: await sandbox.dataDir(), ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password, REDIS_URL: redis.url };
    servers = await Promise.all([sandbox.start(env), sandbox.start(env)]);
    tenant = await createTenant(servers[0]!.client);
    admin = servers[0]!.client.asUser(await signIn(servers[0]!.client, ADMIN.email, ADMIN.password));
    await staysWithinTheHour(40_000);
  }, 90_000);
  afterAll(async () => {
    await sandbox.clean();
    await database.drop();
    await redis.stop();
  });

  const types = (): Promise<string[]> => typesOf(database, tenant, 'api_calls_per_hour');

  it('publish each crossing once, and when they have become fewer than the threshold, once more', async () => {
    await setLimits(admin, tenant, { api_calls_per_hour: 60 });
    const clients = servers.map(({ client }) => client.asUser(tenant.token));
    await Promise.all(Array.from({ length: 80 }, (_, at) => clients[at % 2]!.get('/api/v1/databases')));
    await eventually(types, ({ length }) => length >= 2);
    // Nobody but the clock tells either process.
    await redis.ask((connection) => connection.flushall());
    await eventually(types, ({ length }) => length >= 3, 20_000);
    // A sweep of the other process as well.
    await Promise.all(Array.from({ length: 20 }, (_, at) => clients[at % 2]!.get('/api/v1/databases')));
    await eventually(async () => servers.map(({ printed }) => printed.split('\n').filter((line) => line.includes('a quota was crossed')).length), (lines) => lines[0]! + lines[1]! >= 3);
    expect(await types()).toEqual(['quota.warning', 'quota.exceeded', 'quota.recovered']);
    const lines = servers.flatMap(({ printed }) => printed.split('\n').filter((line) => line.includes('a quota was crossed')));
    expect(lines.map((line) => (JSON.parse(line) as { type: string }).type).toSorted()).toEqual(['quota.exceeded', 'quota.recovered', 'quota.warning']);
    expect(lines.join()).not.toContain(tenant.email);
  }, 60_000);
});
