import type { ApiClient, Answer } from '../support/api-client.js';
import { createKey, createTenant, eventually, signIn, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { setLimits, usedBy } from '../support/quotas.js';
import { describeWithRedis, freePort, RedisServer } from '../support/redis-server.js';
import { Sandbox } from '../support/sandbox.js';
import type { ServerProcess } from '../support/server-process.js';
import { ADMIN } from '../support/test-app.js';
import { TestDatabase } from '../support/test-database.js';

const ROUTE = '/api/v1/databases';

describeWithRedis('rate limits of two processes with one Redis', () => {
  const sandbox = new Sandbox();
  let redis: RedisServer;
  let database: TestDatabase;
  let servers: [ServerProcess, ServerProcess];
  let forsaken: ServerProcess;
  let tenant: Tenant;
  let admin: ApiClient;

  beforeAll(async () => {
    redis = await RedisServer.start();
    database = await TestDatabase.create();
    const env = { ROLE: 'api', NODE_ENV: 'test', DATABASE_URL: database.url, DATA_DIR: await sandbox.dataDir(), ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password, DOCS_ENABLED: 'false' };
    const nowhere = `redis://127.0.0.1:${await freePort()}`;
    const [first, second, third] = await Promise.all([redis.url, redis.url, nowhere].map((url) => sandbox.start({ ...env, REDIS_URL: url })));
    servers = [first!, second!];
    forsaken = third!;
    tenant = await createTenant(first!.client);
    admin = first!.client.asUser(await signIn(first!.client, ADMIN.email, ADMIN.password));
    await setLimits(admin, tenant, { api_keys: 1000, api_calls_per_hour: 100_000 });
    await staysWithinTheHour(30_000);
  }, 90_000);
  afterAll(async () => {
    await sandbox.clean();
    await database.drop();
    await redis.stop();
  });

  /** The same key at each process. */
  async function keyAtBoth(perHour: number): Promise<[ApiClient, ApiClient]> {
    const { secret } = await createKey(tenant.client, ['read'], { rate_limit_per_hour: perHour });
    return [servers[0].client.asApiKey(secret), servers[1].client.asApiKey(secret)];
  }

  const send = (clients: readonly ApiClient[], calls: number): Promise<Answer<unknown>[]> => Promise.all(Array.from({ length: calls }, (_, at) => clients[at % clients.length]!.get<unknown>(ROUTE)));
  const withStatus = (answers: readonly Answer<unknown>[], status: number): Answer<unknown>[] => answers.filter((answer) => answer.status === status);
  const told = (answer: Answer<unknown>): string | null => answer.headers.get('ratelimit');
  const logged = (server: ServerProcess, text: string): number => server.printed.split('\n').filter((line) => line.includes(text)).length;

  /** What a process logs comes by another way than its answers, and perhaps later. */
  const logs = (server: ServerProcess, text: string, times: number): Promise<number> => eventually(async () => logged(server, text), (seen) => seen >= times);

  async function metric(server: ServerProcess, name: string): Promise<number> {
    const { body } = await server.client.get<string>('/metrics');
    return Number(body.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ')[1] ?? 0);
  }

  const refused = (server: ServerProcess): Promise<number> => metric(server, 'morag_rate_limit_refused_total{window="key"}');
  const unchecked = (server: ServerProcess): Promise<number> => metric(server, 'morag_rate_limit_unchecked_total');
  const atBoth = (look: (server: ServerProcess) => Promise<number>): Promise<number[]> => Promise.all(servers.map(look));

  /** Waits until both processes count in Redis. */
  async function counting(): Promise<void> {
    for (const { client } of servers) await eventually(() => client.asUser(tenant.token).get<unknown>(ROUTE), (answer) => told(answer) !== null);
  }

  /** Calls pass unchecked, too, when the machine is so busy that Redis has no time to answer; nothing is exact then, so once more. */
  async function undisturbed<T>(attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      await counting();
      const before = await atBoth(unchecked);
      const result = await attempt();
      if (String(await atBoth(unchecked)) === String(before)) return result;
    }
  }

  it('let exactly the limit of a key through, however its calls are spread, and say how many they refused', async () => {
    const { answers, before } = await undisturbed(async () => ({ before: await atBoth(refused), answers: await send(await keyAtBoth(50), 200) }));
    expect([withStatus(answers, 200).length, withStatus(answers, 429).length]).toEqual([50, 150]);
    const after = await atBoth(refused);
    expect(after[0]! - before[0]! + after[1]! - before[1]!).toBe(150);
  });

  it('never share a window between two keys', async () => {
    const [full, empty] = await undisturbed(async () => [await send(await keyAtBoth(3), 8), await send(await keyAtBoth(3), 8)] as const);
    expect([withStatus(full, 200).length, withStatus(empty, 200).length]).toEqual([3, 3]);
  });

  it("count a tenant's hour exactly, show the same use of it, and use up no key with what that hour refuses", async () => {
    const { used, answers, shown, left } = await undisturbed(async () => {
      const key = await keyAtBoth(100);
      const used = (await usedBy(tenant.client))['api_calls_per_hour']!;
      await setLimits(admin, tenant, { api_calls_per_hour: used + 30 });
      const answers = await send(key, 80);
      await setLimits(admin, tenant, { api_calls_per_hour: 100_000 });
      const shown: unknown[] = [];
      for (const { client } of servers) shown.push((await usedBy(client.asUser(tenant.token)))['api_calls_per_hour']);
      return { used, answers, shown, left: told(await key[1].get(ROUTE)) };
    });
    expect(withStatus(answers, 200)).toHaveLength(30);
    const refusal = withStatus(answers, 429)[0]!;
    expect(refusal.body).toMatchObject({ code: 'quota_exceeded', resource: 'api_calls_per_hour', used: used + 30 });
    expect(Number(refusal.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(shown).toEqual([used + 31, used + 32]);
    expect(left).toMatch(/^"hourly";r=69;t=\d+, "tenant";r=\d+;t=\d+$/);
  });

  it('let calls pass while Redis hangs, without waiting for it', async () => {
    const [key] = await keyAtBoth(3);
    redis.hang();
    const durations: number[] = [];
    for (let call = 0; call < 60; call++) {
      const begun = performance.now();
      const answer = await key.get(ROUTE);
      durations.push(performance.now() - begun);
      expect([answer.status, told(answer)]).toEqual([200, null]);
    }
    expect((await usedBy(servers[0].client.asUser(tenant.token)))['api_calls_per_hour']).toBe(0);
    // The first one waits its quarter of a second; that few others are slow leaves room for a busy machine.
    expect(durations.filter((ms) => ms >= 200).length).toBeLessThanOrEqual(10);
    redis.resume();
    await counting();
  });

  it('let calls pass while Redis is gone, say so once, count them, and hold the limits again once it is back', async () => {
    const key = await keyAtBoth(3);
    await counting();
    const away = servers.map((server) => logged(server, 'Redis is away'));
    const before = await atBoth(unchecked);
    await redis.kill();
    const answers = await send(key, 40);
    expect(withStatus(answers, 200)).toHaveLength(40);
    expect(answers.every((answer) => told(answer) === null)).toBe(true);
    for (const [at, server] of servers.entries()) {
      expect(await logs(server, 'Redis is away', away[at]! + 1)).toBe(away[at]! + 1);
      expect(await unchecked(server)).toBe(before[at]! + 20);
    }
    await redis.restart();
    await counting();
    for (const [at, server] of servers.entries()) expect(await logs(server, 'Redis is back', away[at]! + 1)).toBe(away[at]! + 1);
    expect(withStatus(await undisturbed(async () => send(await keyAtBoth(3), 20)), 200)).toHaveLength(3);
  });

  it('start and answer without it', async () => {
    const { secret } = await createKey(tenant.client, ['read'], { rate_limit_per_hour: 1 });
    const answers = await send([forsaken.client.asApiKey(secret)], 5);
    expect(withStatus(answers, 200)).toHaveLength(5);
    expect(await logs(forsaken, 'Redis is away', 1)).toBe(1);
  });

  it('stop at once while Redis hangs', async () => {
    redis.hang();
    const begun = performance.now();
    expect(await Promise.all([...servers, forsaken].map((server) => server.end()))).toEqual([0, 0, 0]);
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});
