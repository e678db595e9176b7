import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { LEASE_MS } from '../../src/events/listener.js';
import type { ApiClient } from '../support/api-client.js';
import { administrator, changeStanding, createKey, createTenant, eventually, type Tenant } from '../support/factories.js';
import type { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';

const KEYS = '/api/v1/api-keys';
/** A process trusts its memory once it has listened for so long. */
const UNTIL_TRUSTED_MS = 2500;

interface Key {
  id: string;
  secret: string;
}

/** One change that takes a right away, and what the key is told from then on. */
interface Withdrawal {
  what: string;
  withdraw(tenant: Tenant, key: Key): Promise<{ status: number }>;
  code: string;
}

describe('two processes that remember keys', () => {
  let server: TestApp;
  let admin: ApiClient;
  let first: ServerProcess;
  let second: ServerProcess;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
    [first, second] = await Promise.all([server.processBeside(), server.processBeside()]);
    await delay(UNTIL_TRUSTED_MS);
  });
  afterAll(async () => {
    await Promise.all([first.end('SIGKILL'), second.end('SIGKILL')]);
    await server.stop();
  });

  const use = (at: ServerProcess, { secret }: Key) => at.client.asApiKey(secret).get<{ code?: string }>('/api/v1/tenant/quotas');

  /** Lets both processes remember the key. */
  async function remembered(tenant: Tenant, more: Record<string, unknown> = {}): Promise<Key> {
    const key = await createKey(tenant.client, ['read', 'search'], more);
    for (const at of [first, second]) expect((await use(at, key)).status).toBe(200);
    return key;
  }

  async function lookUps(at: ServerProcess): Promise<{ hit: number; miss: number }> {
    const { body } = await at.client.get<string>('/metrics');
    const count = (outcome: string): number => Number(new RegExp(`morag_cache_lookups_total\\{cache="api_keys",outcome="${outcome}"\\} (\\d+)`).exec(body)?.[1] ?? 0);
    return { hit: count('hit'), miss: count('miss') };
  }

  const WITHDRAWALS: Withdrawal[] = [
    { what: 'revoked', withdraw: (tenant, { id }) => tenant.client.delete(`${KEYS}/${id}`), code: 'invalid_credentials' },
    { what: 'switched off', withdraw: (tenant, { id }) => tenant.client.patch(`${KEYS}/${id}`, { status: 'inactive' }), code: 'invalid_credentials' },
    { what: 'rotated without a grace', withdraw: (tenant, { id }) => tenant.client.post(`${KEYS}/${id}/rotate`, {}), code: 'invalid_credentials' },
    { what: 'stripped of the permission', withdraw: (tenant, { id }) => tenant.client.patch(`${KEYS}/${id}`, { permissions: ['search'] }), code: 'insufficient_scope' },
    { what: 'bound to other addresses', withdraw: (tenant, { id }) => tenant.client.patch(`${KEYS}/${id}`, { allowed_ips: ['203.0.113.1'] }), code: 'ip_not_allowed' },
    { what: 'of a tenant that is suspended', withdraw: (tenant) => admin.patch(`/admin/tenants/${tenant.tenantId}`, { status: 'suspended' }), code: 'tenant_suspended' },
    { what: 'of a person who is deactivated', withdraw: async (tenant) => (await changeStanding(admin, tenant.userId, { is_active: false }), { status: 200 }), code: 'invalid_credentials' },
  ];

  it.each(WITHDRAWALS)('refuse one that is $what from the moment the change is answered', async ({ withdraw, code }) => {
    const tenant = await createTenant(server.anonymous);
    const key = await remembered(tenant);
    expect((await withdraw(tenant, key)).status).toBeLessThan(300);
    for (const at of [first, second]) expect((await use(at, key)).body.code).toBe(code);
  });

  it('accept no key that either has refused before, under load, for any kind of change', async () => {
    for (const { withdraw } of WITHDRAWALS) {
      const tenant = await createTenant(server.anonymous);
      const key = await remembered(tenant, { rate_limit_per_hour: 10_000 });
      const calls: { begun: number; ended: number; accepted: boolean }[] = [];
      let going = true;
      const load = Array.from({ length: 8 }, async (_, at) => {
        while (going) {
          const begun = performance.now();
          const { status } = await use(at % 2 ? first : second, key);
          calls.push({ begun, ended: performance.now(), accepted: status === 200 });
        }
      });
      const someone = (is: (accepted: boolean) => boolean): Promise<unknown> => eventually(async () => calls.some(({ accepted }) => is(accepted)), Boolean);
      try {
        await someone((accepted) => accepted);
        await withdraw(tenant, key);
        await someone((accepted) => !accepted);
        await delay(60);
      } finally {
        going = false;
        await Promise.all(load);
      }
      const firstRefusal = Math.min(...calls.filter(({ accepted }) => !accepted).map(({ ended }) => ended));
      expect(calls.filter(({ accepted, begun }) => accepted && begun > firstRefusal)).toEqual([]);
    }
  });

  it('look a key up once, and not at all while they remember it, though the table be locked', async () => {
    const tenant = await createTenant(server.anonymous);
    const key = await remembered(tenant);
    const fresh = await createKey(tenant.client, ['read']);
    /** Of twenty uses, how many needed no look-up; all of them, unless the five seconds were over just then or the machine was too busy to prove a lease. */
    const hits = async (): Promise<number> => {
      const before = await lookUps(first);
      for (let at = 0; at < 20; at++) expect((await use(first, key)).status).toBe(200);
      const after = await lookUps(first);
      expect(after.hit - before.hit + after.miss - before.miss).toBe(20);
      return after.hit - before.hit;
    };
    await eventually(hits, (count) => count === 20);

    const locker = new pg.Client({ connectionString: server.database.superuserUrl });
    await locker.connect();
    const lock = async (): Promise<void> => void (await locker.query('BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE'));
    /** False, and the key remembered anew, where the same has happened. */
    const usedWithoutTheTable = async (): Promise<boolean> => {
      await lock();
      const asked = use(first, key);
      const isAnswered = await Promise.race([asked.then(() => true), delay(1000, false)]);
      if (!isAnswered) await locker.query('ROLLBACK');
      expect((await asked).status).toBe(200);
      return isAnswered;
    };
    try {
      await eventually(usedWithoutTheTable, Boolean);
      // A typo is told without the table as well.
      expect((await use(first, { id: '', secret: `${key.secret.slice(0, -1)}!` })).status).toBe(401);
      let answered = false;
      const waiting = use(first, fresh).finally(() => (answered = true));
      await delay(100);
      expect(answered).toBe(false);
      await locker.query('ROLLBACK');
      expect((await waiting).status).toBe(200);
    } finally {
      await locker.end();
    }
  });

  it('count no look-up for what cannot be a key', async () => {
    const before = await lookUps(first);
    for (const secret of ['mk_live_short', `mk_live_${'0'.repeat(38)}`, `mk_prod_${'0'.repeat(38)}`]) expect((await use(first, { id: '', secret })).status).toBe(401);
    expect(await lookUps(first)).toEqual(before);
  });

  it('hear of a change that an operator made in the database itself, within a second', async () => {
    const tenant = await createTenant(server.anonymous);
    const key = await remembered(tenant);
    await server.database.query(`UPDATE tenants SET status = 'suspended' WHERE id = $1`, [tenant.tenantId]);
    for (const at of [first, second]) await eventually(() => use(at, key), ({ status }) => status === 403, 1000);
    await server.database.query(`UPDATE tenants SET status = 'active' WHERE id = $1`, [tenant.tenantId]);
    for (const at of [first, second]) await eventually(() => use(at, key), ({ status }) => status === 200, 1000);
  });

  it('refuse it also when one of them was asleep for the whole time, whose silence holds the change up for less than a second', async () => {
    const tenant = await createTenant(server.anonymous);
    const key = await remembered(tenant);
    second.child.kill('SIGSTOP');
    try {
      const begun = performance.now();
      expect((await tenant.client.delete(`${KEYS}/${key.id}`)).status).toBe(204);
      expect(performance.now() - begun).toBeLessThan(2500);
      expect((await use(first, key)).status).toBe(401);
    } finally {
      second.child.kill('SIGCONT');
    }
    expect((await use(second, key)).status).toBe(401);
  });

  it('let no key come back to life that was revoked while a connection was being made anew', async () => {
    const tenant = await createTenant(server.anonymous);
    const key = await remembered(tenant);
    const { client } = tenant;
    for (const at of [first, second]) expect((await at.client.asUser(tenant.token).get('/auth/me')).status).toBe(200);
    await server.database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'morag-listener' AND datname = current_database()`);
    expect((await client.delete(`${KEYS}/${key.id}`)).status).toBe(204);
    expect((await client.post('/auth/logout')).status).toBe(204);
    // Longer than a process needs to trust its new connection, and as long as anything is remembered.
    for (const until = performance.now() + 5000; performance.now() < until; await delay(100)) {
      for (const at of [first, second]) {
        expect((await use(at, key)).status).toBe(401);
        expect((await at.client.asUser(tenant.token).get('/auth/me')).status).toBe(401);
      }
    }
  });

  it('look everything up while they cannot hear of changes, and remember again afterwards', async () => {
    const tenant = await createTenant(server.anonymous);
    const key = await remembered(tenant);
    const listeners = (): Promise<{ pid: number }[]> => server.database.query(`SELECT pid FROM pg_stat_activity WHERE application_name = 'morag-listener' AND datname = current_database()`);
    const cut = setInterval(() => void server.database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'morag-listener' AND datname = current_database()`), 50);
    try {
      await eventually(listeners, (rows) => rows.length === 0);
      // A lease is as good as its last proof, whatever became of the connection since.
      await delay(LEASE_MS + 100);
      const before = await lookUps(first);
      for (let at = 0; at < 5; at++) expect((await use(first, key)).status).toBe(200);
      const after = await lookUps(first);
      expect([after.hit - before.hit, after.miss - before.miss]).toEqual([0, 5]);
      expect((await tenant.client.patch(`${KEYS}/${key.id}`, { status: 'inactive' })).status).toBe(200);
      for (const at of [first, second]) expect((await use(at, key)).status).toBe(401);
      expect((await tenant.client.patch(`${KEYS}/${key.id}`, { status: 'active' })).status).toBe(200);
    } finally {
      clearInterval(cut);
    }
    const remembering = async (): Promise<number> => {
      const before = await lookUps(first);
      expect((await use(first, key)).status).toBe(200);
      return (await lookUps(first)).hit - before.hit;
    };
    await eventually(remembering, (hits) => hits === 1);
    expect((await tenant.client.delete(`${KEYS}/${key.id}`)).status).toBe(204);
    for (const at of [first, second]) expect((await use(at, key)).status).toBe(401);
  });
});
