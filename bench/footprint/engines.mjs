// What the parts beside the requests take: the flush of usage, the queue, Redis.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { Redis } from 'ioredis';
import { root } from '../../scripts/build.mjs';
import { seedTenants } from '../seed.mjs';
import { atOnce } from './at-once.mjs';
import { Database } from './database.mjs';

const QUEUED = 4000;

const from = (file) => import(path.join(root, 'dist/src', file));

/** What the flush of usage costs where batching helps least: a call of each of so many tenants, all with a key, in one second of one process. */
export async function measureFlush(api, superuserUrl, database, tenants) {
  const [{ UsageService }, ids] = [await from('tenancy/usage.service.js'), await seedTenants(superuserUrl, tenants)];
  await database.rows(
    `INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, environment, permissions, lineage_id)
     SELECT id, id, id, 'key', uuid_send(id), 'mk_live_0000', 'live', '{read}', id FROM unnest($1::uuid[]) AS id`,
    [ids],
  );
  const usage = api.get(UsageService);
  const rounds = [];
  for (let round = 0; round < 12; round++) {
    for (const id of ids) usage.count({ tenantId: id, apiKeyId: id }, { route: 'GET /api/v1/documents/:id', status: 200, durationMs: 2, bytesIn: 0, bytesOut: 900 });
    const [before, begun] = [await database.one('SELECT pg_current_wal_insert_lsn() AS at'), performance.now()];
    await usage.flush();
    const milliseconds = performance.now() - begun;
    const { bytes } = await database.one('SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)::float8 AS bytes', [before.at]);
    rounds.push({ milliseconds, bytes });
  }
  const median = (name) => rounds.slice(2).map((round) => round[name]).toSorted((a, b) => a - b)[5];
  // Every round has left dead rows behind.
  await database.rows('VACUUM FULL usage_hourly');
  const { bytesARow } = (await database.sizes(['usage_hourly'])).usage_hourly;
  return { tenants, milliseconds: Math.round(median('milliseconds')), walBytesACall: Math.round(median('bytes') / tenants), bytesARow };
}

/** How fast pg-boss hands out work that does nothing: with the server's own settings, and as many workers as one process has for one kind of job. */
export async function measureQueue(url, workers) {
  const [{ Queue }, database] = [await from('jobs/queue.js'), await Database.connect(url)];
  const queue = new Queue(url, { worker: true });
  try {
    await queue.prepare('footprint');
    await database.rows(`SET role morag_system`);
    await queue.sendAgain(async (sql, values) => ({ rows: await database.rows(sql, values) }), 'footprint', Array.from({ length: QUEUED }, (_, at) => ({ id: crypto.randomUUID(), data: { at: String(at) }, priority: 0, group: `group ${at % 50}`, dueAt: new Date().toISOString() })));
    let done = 0;
    let finish;
    const all = new Promise((resolve) => (finish = resolve));
    const begun = performance.now();
    await queue.work('footprint', workers, async () => {
      if (++done === QUEUED) finish();
    });
    await all;
    return { workers, perSecond: Math.round(QUEUED / ((performance.now() - begun) / 1000)) };
  } finally {
    await queue.stop();
    await database.end();
  }
}

/** The script of the rate limits, for so many keys of half as many tenants: what Redis takes of its one processor for a call, and of memory for a window. */
export async function measureRedis(directory, calls) {
  const { COUNT_CALL } = await from('rate-limits/count-call.lua.js');
  const socket = path.join(directory, 'redis.sock');
  const server = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
  const failed = new Promise((_, reject) => server.once('error', reject));
  const redis = new Redis(socket, { scripts: { countCall: { lua: COUNT_CALL } }, retryStrategy: () => 50 });
  redis.on('error', () => undefined);
  try {
    await Promise.race([redis.ping(), failed]);
    const memory = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))[1]);
    const before = await memory();
    const tenants = Array.from({ length: calls / 2 }, () => crypto.randomUUID());
    await atOnce(Array.from({ length: calls }), 50, async (_, at) => {
      const tenant = tenants[at % tenants.length];
      await redis.countCall(2, `morag:calls:{${tenant}}:key:${crypto.randomUUID()}`, `morag:calls:{${tenant}}:tenant:${tenant}`, 3_600_000, 1e9, 1e9);
    });
    const [, usec] = /cmdstat_evalsha:.*?usec_per_call=([\d.]+)/.exec(await redis.info('commandstats'));
    return { microsecondsACall: Number(usec), bytesAWindow: Math.round(((await memory()) - before) / (await redis.dbsize())) };
  } catch (error) {
    return { skipped: String(error) };
  } finally {
    redis.disconnect();
    server.kill();
  }
}
