import type { ApiClient } from '../support/api-client.js';
import { administrator, createKey, createTenant, eventually, ingestText } from '../support/factories.js';
import { describeWithRedis, RedisServer } from '../support/redis-server.js';
import type { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';

interface Page {
  status: string;
  problems: string[];
  dependencies: { name: string; status: string; is_essential: boolean; latency_ms: number | null; reason: string | null; details: Record<string, unknown> }[];
  queues: { name: string; waiting: number; delayed: number; running: number; failed: number; oldest_waiting_seconds: number | null }[];
  workers: { pid: number; is_alive: boolean; last_seen_at: string }[];
  pending_purges: { tenants: number; documents: number; oldest_at: string | null };
  totals: Record<string, number>;
  jobs: { open: Record<string, number>; ended_last_24h: Record<string, number> };
}

async function pageOf(admin: ApiClient): Promise<Page> {
  const { status, body } = await admin.get<Page>('/admin/health');
  if (status !== 200) throw new Error(`health answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

const dependency = (page: Page, name: string) => page.dependencies.find((one) => one.name === name);

describe('the administrator’s view of the health', () => {
  let server: TestApp;
  let admin: ApiClient;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  afterAll(() => server.stop());

  it('says how everything is that the server depends on', async () => {
    const page = await eventually(() => pageOf(admin), ({ status }) => status === 'up');
    expect(page.problems).toEqual([]);
    expect(Object.fromEntries(page.dependencies.map(({ name, status, is_essential }) => [name, [status, is_essential]]))).toEqual({
      blob_store: ['up', true], database: ['up', true], embeddings: ['up', false], vector_store: ['up', true],
    });
    for (const name of ['blob_store', 'database', 'vector_store']) expect(dependency(page, name)!.latency_ms).toBeGreaterThanOrEqual(0);
    expect(dependency(page, 'blob_store')!.details).toEqual({ free_bytes: expect.any(Number), total_bytes: expect.any(Number) });
    expect(dependency(page, 'embeddings')).toMatchObject({ latency_ms: null, details: { provider: 'hash', model: 'local-lexical-1024', dimensions: 1024 } });
    expect(page.workers).toEqual([expect.objectContaining({ pid: process.pid, is_alive: true })]);
    expect(page.queues.map(({ name }) => name)).toEqual(expect.arrayContaining(['ingest', 'purge-document', 'reconcile-quotas', 'reconcile-stores', 'roll-up-usage']));
  });

  it('counts what there is, what waits and what was done', async () => {
    const before = await pageOf(admin);
    const tenant = await createTenant(server.anonymous);
    await createKey(tenant.client, ['read']);
    const id = await ingestText(tenant.client, 'A page', 'One chunk.');
    const page = await pageOf(admin);
    const grown = Object.fromEntries(Object.entries(page.totals).map(([name, total]) => [name, total - before.totals[name]!]));
    expect(grown).toEqual({ tenants: 1, users: 1, documents: 1, storage_bytes: 10, vector_points: 1, databases: 1, api_keys: 1 });
    expect(page.jobs).toMatchObject({ open: {}, ended_last_24h: { FINISHED: (before.jobs.ended_last_24h['FINISHED'] ?? 0) + 1 } });
    expect(page.pending_purges).toEqual({ tenants: 0, documents: 0, oldest_at: null });

    await server.database.query(`UPDATE documents SET state = 'DELETED', updated_at = now() - interval '1 hour' WHERE id = $1`, [id]);
    await server.database.query(`INSERT INTO pgboss.queue SELECT (jsonb_populate_record(q, '{"name": "test-depth"}')).* FROM pgboss.queue q WHERE name = 'ingest'`);
    await server.database.query(
      `INSERT INTO pgboss.job (name, state, start_after) VALUES ('test-depth', 'created', now() - interval '90 seconds'), ('test-depth', 'retry', now() - interval '5 seconds'), ('test-depth', 'created', now() + interval '1 day'), ('test-depth', 'active', now()), ('test-depth', 'failed', now()), ('test-depth', 'completed', now())`,
    );
    const full = await pageOf(admin);
    expect(full.pending_purges.documents).toBe(1);
    expect(Date.now() - Date.parse(full.pending_purges.oldest_at!)).toBeGreaterThan(3_500_000);
    const depth = full.queues.find(({ name }) => name === 'test-depth')!;
    expect(depth).toMatchObject({ waiting: 2, delayed: 1, running: 1, failed: 1 });
    expect(depth.oldest_waiting_seconds).toBeGreaterThanOrEqual(90);
    expect(depth.oldest_waiting_seconds).toBeLessThan(300);
  });

  it('is for administrators alone', async () => {
    const { client } = await createTenant(server.anonymous);
    expect(await client.get('/admin/health')).toMatchObject({ status: 403, body: { code: 'forbidden_role' } });
    expect(await server.anonymous.get('/admin/health')).toMatchObject({ status: 401 });
  });

  it('shows the rest when a part of it cannot be read', async () => {
    await server.database.query('ALTER TABLE pgboss.instance RENAME TO instance_away');
    try {
      const page = await pageOf(admin);
      expect(page).toMatchObject({ status: 'degraded', workers: null, totals: { tenants: expect.any(Number) } });
      expect(page.problems).toEqual([expect.stringMatching(/^workers could not be read/)]);
    } finally {
      await server.database.query('ALTER TABLE pgboss.instance_away RENAME TO instance');
    }
  });

  it('answers in a few seconds while the rows it reads are locked', async () => {
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: server.database.superuserUrl });
    await client.connect();
    try {
      await client.query('BEGIN');
      await client.query('LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE');
      const begun = performance.now();
      const pages = await Promise.all(Array.from({ length: 15 }, () => pageOf(admin)));
      expect(performance.now() - begun).toBeLessThan(6000);
      for (const page of pages) expect(page).toMatchObject({ status: 'degraded', jobs: null, totals: { tenants: expect.any(Number) } });
    } finally {
      await client.query('ROLLBACK');
      await client.end();
    }
    await eventually(() => pageOf(admin), ({ jobs }) => jobs !== null);
  });
});

describe('the workers on the administrator’s page', () => {
  let server: TestApp;
  const workers: ServerProcess[] = [];

  beforeAll(async () => {
    server = await TestApp.start({ ROLE: 'api' });
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await server.stop();
  });

  async function startWorker(): Promise<ServerProcess> {
    const worker = await server.processBeside({ ROLE: 'worker' });
    workers.push(worker);
    return worker;
  }

  /** Moves every heartbeat there was so many seconds into the past, as if nothing else had happened meanwhile. */
  const letPass = (seconds: number) => server.database.query('UPDATE pgboss.instance SET heartbeat_on = heartbeat_on - make_interval(secs => $1)', [seconds]);

  it('are those that live, and a killed one is missed within half a minute', async () => {
    const admin = await administrator(server);
    expect(await pageOf(admin)).toMatchObject({ status: 'degraded', workers: [], problems: ['workers: none is alive, so no job is run'] });
    const [leaves, dies] = [await startWorker(), await startWorker()];
    const alive = async (): Promise<(number | boolean)[][]> => (await pageOf(admin)).workers.map(({ pid, is_alive }) => [pid, is_alive]);
    expect(await alive()).toEqual([[leaves.child.pid, true], [dies.child.pid, true]]);
    await leaves.end();
    await dies.end('SIGKILL');
    await letPass(20);
    expect(await eventually(alive, (workers) => workers.every(([, isAlive]) => isAlive === false))).toEqual([[dies.child.pid, false]]);
    expect((await pageOf(admin)).status).toBe('degraded');
  }, 60_000);
});

describeWithRedis('the administrator’s view of Redis', () => {
  let redis: RedisServer;
  let server: TestApp;
  let admin: ApiClient;

  beforeAll(async () => {
    redis = await RedisServer.start();
    server = await TestApp.start({ REDIS_URL: redis.url });
    admin = await administrator(server);
  });
  afterAll(async () => {
    await server.stop();
    await redis.stop();
  });

  it('follows it: there, hanging, gone, and back', async () => {
    const redisIs = (status: string) => eventually(() => pageOf(admin), (page) => dependency(page, 'redis')?.status === status);
    expect(dependency(await redisIs('up'), 'redis')).toMatchObject({ is_essential: false, reason: null });
    redis.hang();
    const begun = performance.now();
    const hanging = await redisIs('down');
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(hanging).toMatchObject({ status: 'degraded', problems: [expect.stringMatching(/^redis: /)], totals: { tenants: 1 } });
    redis.resume();
    await redisIs('up');
    await redis.kill();
    expect(await redisIs('down')).toMatchObject({ status: 'degraded' });
    await redis.restart();
    expect(await redisIs('up')).toMatchObject({ status: 'up' });
  }, 60_000);
});
