// `node bench/footprint.mjs [documents]`: what one document, one call and one job cost in rows, bytes, write-ahead log, commits and round trips.
// docs/scale-plan.md multiplies these; bench/results/footprint.json has them. Minutes, not part of `npm run bench`.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { buildIfStale, root } from '../scripts/build.mjs';
import { newEnoughNode } from '../scripts/node24.mjs';
import { corpus } from './corpus.mjs';
import { describeMachine } from './report.mjs';
import { seed, seedTenants } from './seed.mjs';
import { TenantCalls } from './tenant-calls.mjs';

const DOCUMENTS = Number(process.argv[2] ?? 600);
const AT_ONCE = 8;
const QUEUED = 4000;
/** As PostgreSQL sees the connections of the server's pool. */
const POOL = 'morag';
const REPEATS = 20;
const TABLES = ['documents', 'document_chunks', 'document_contents', 'jobs', 'job_events', 'audit_entries', 'audit_links', 'events', 'usage_hourly', 'quota_history'];

const NEW_ID = 'new_event_id()';
const NEW_CHECKSUM = `encode(sha256(uuid_send(gen_random_uuid())), 'hex')`;
/** Which values are others in a copy of a row. Chunks are many already. */
const COPIED = {
  documents: { id: NEW_ID, job_id: NEW_ID, content_checksum: NEW_CHECKSUM },
  document_contents: { document_id: NEW_ID, content_checksum: NEW_CHECKSUM },
  jobs: { id: NEW_ID, document_id: NEW_ID, delivery_id: NEW_ID },
  job_events: { job_id: NEW_ID },
  audit_entries: { id: NEW_ID, target_id: NEW_ID },
  audit_links: { sequence: 'sequence + 1000000 * copy', entry_id: NEW_ID },
};
const COPIES = 100;

const from = (file) => import(path.join(root, 'dist/src', file));
const sum = (values) => values.reduce((total, value) => total + value, 0);

/** Every query of every connection of this process, by whose connection it is: with node-postgres each is one round trip. */
class RoundTrips {
  counts = {};
  #owners = new WeakMap();

  constructor() {
    const count = (client) => this.#count(client);
    const { query } = pg.Client.prototype;
    pg.Client.prototype.query = function (...sent) {
      count(this);
      return query.apply(this, sent);
    };
  }

  #count(client) {
    if (!this.#owners.has(client)) this.#owners.set(client, client.connectionParameters.application_name ?? 'unnamed');
    const owner = this.#owners.get(client);
    this.counts[owner] = (this.counts[owner] ?? 0) + 1;
  }

  /** Of the server's pool alone, a call; what goes by the clock meanwhile is taken off by the same time of idling. */
  async perCall(calls, work) {
    const before = this.counts[POOL];
    for (let call = 0; call < calls; call++) await work(call);
    return (this.counts[POOL] - before) / calls;
  }
}

class Database {
  #client;

  static async connect(url) {
    const database = new Database();
    database.#client = new pg.Client({ connectionString: url, application_name: 'footprint' });
    database.#client.on('error', (error) => console.error(String(error)));
    await database.#client.connect();
    return database;
  }

  async rows(sql, values) {
    return (await this.#client.query(sql, values)).rows;
  }

  async one(sql, values) {
    return (await this.rows(sql, values))[0];
  }

  /** What the whole server has done until now; its statistics are a second late. */
  async work() {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const { commits } = await this.one('SELECT xact_commit::float8 AS commits FROM pg_stat_database WHERE datname = current_database()');
    const { bytes } = await this.one(`SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes`);
    const { images } = await this.one('SELECT wal_fpi::float8 AS images FROM pg_stat_wal');
    return { commits, walBytes: bytes, fullPages: images };
  }

  /** Real rows over and over, so that a table is large enough for the pages of its indexes not to count for more than their entries. */
  async multiply() {
    await this.rows('SET session_replication_role = replica');
    for (const [table, others] of Object.entries(COPIED)) {
      const columns = await this.rows(`SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`, [table]);
      const names = columns.map(({ name }) => name);
      await this.rows(`INSERT INTO ${table} (${names.join()}) SELECT ${names.map((name) => others[name] ?? name).join()} FROM ${table}, generate_series(1, ${COPIES}) AS copy`);
    }
    await this.rows('SET session_replication_role = origin');
  }

  async sizes(tables) {
    await this.rows('VACUUM (ANALYZE)');
    const sizes = {};
    for (const table of tables) {
      const parts = `(SELECT COALESCE(array_agg(inhrelid::regclass), '{}') FROM pg_inherits WHERE inhparent = $1::regclass) || $1::regclass`;
      const { rows, heap, toast, indexes } = await this.one(
        `SELECT (SELECT count(*)::float8 FROM ${table}) AS rows, sum(pg_relation_size(part))::float8 AS heap, sum(pg_table_size(part) - pg_relation_size(part))::float8 AS toast, sum(pg_indexes_size(part))::float8 AS indexes
           FROM unnest(${parts}) AS part`,
        [table],
      );
      sizes[table] = { rows, heap, toast, indexes, bytesARow: rows === 0 ? null : Math.round((heap + toast + indexes) / rows) };
    }
    return sizes;
  }

  end() {
    return this.#client.end();
  }
}

const difference = (after, before, of) => Object.fromEntries(Object.keys(after).map((name) => [name, Math.round(((after[name] - before[name]) / of) * 10) / 10]));

async function atOnce(things, width, work) {
  const rest = things.entries();
  await Promise.all(Array.from({ length: width }, async () => {
    for (const [at, thing] of rest) await work(thing, at);
  }));
}

async function textsOf(count) {
  const texts = [];
  for (let round = 0; texts.length < count; round++) texts.push(...(await corpus(round)).filter(({ type }) => type === 'md').map(({ bytes }) => bytes.toString()));
  return texts.slice(0, count);
}

async function measureCalls(trips, { calls, key, documentId, url }) {
  const byKey = async (address, secret) => {
    const response = await fetch(`${url}${address}`, { headers: { 'x-api-key': secret } });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  };
  const keys = [];
  for (let at = 0; at < 10; at++) keys.push((await calls.call('POST', '/api/v1/api-keys', { name: `cold ${at}`, permissions: ['read'] })).secret_key);
  // Nothing is remembered for a while of a tenant whose keys have changed.
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const measured = {};
  await byKey('/api/v1/jobs?limit=1', key);
  const of = async (name, times, work) => (measured[name] = Math.round((await trips.perCall(times, work)) * 10) / 10);
  await of('a list of jobs, hot key', REPEATS, () => byKey('/api/v1/jobs?limit=1', key));
  await of('a list of jobs, cold key', keys.length, (at) => byKey('/api/v1/jobs?limit=1', keys[at]));
  await of('a list of jobs, access token', REPEATS, () => calls.call('GET', '/api/v1/jobs?limit=1'));
  await of('one document', REPEATS, () => calls.call('GET', `/api/v1/documents/${documentId}`));
  await of('50 documents', REPEATS, () => calls.call('GET', '/api/v1/documents?limit=50'));
  await of('a search', REPEATS, () => calls.call('POST', '/api/v1/search', { query: 'words of the corpus' }));
  return measured;
}

/** Of the sessions and helpers of the database, in µs since they began; Linux only, and null elsewhere. */
async function databaseMicros(directory) {
  if (process.platform !== 'linux') return null;
  const [postmaster] = (await readFile(path.join(directory, 'postgres/postmaster.pid'), 'utf8')).split('\n');
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  // A process may end meanwhile.
  const states = await Promise.all(ids.map((id) => readFile(`/proc/${id}/stat`, 'utf8').catch(() => '')));
  const fields = states.map((state) => state.slice(state.lastIndexOf(')') + 2).split(' '));
  return sum(fields.filter(([, parent]) => parent === postmaster).map((of) => Number(of[11]) + Number(of[12]))) * 10_000;
}

/** What a server in a process of its own, and the database, take of the processor for an answer, beside what they take when nobody asks. */
async function measureProcessor(databaseUrl, directory, { token, documentId }) {
  const environment = { ...process.env, NODE_ENV: 'development', DATABASE_URL: databaseUrl, DATA_DIR: directory, ROLE: 'api', LOG_LEVEL: 'info', DOCS_ENABLED: 'false', PORT: '0' };
  const child = fork(path.join(root, 'bench/servers/installed.mjs'), { env: environment, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [{ url }] = await once(child, 'message');
  const callers = Array.from({ length: AT_ONCE }, () => new TenantCalls(url, token));
  const spent = async () => {
    child.send('cpu');
    return { server: (await once(child, 'message'))[0].cpuMicros, database: await databaseMicros(directory), at: performance.now() };
  };
  const send = (count, request) => Promise.all(callers.map(async (calls) => {
    for (let sent = 0; sent < count / AT_ONCE; sent++) await calls.call(...request);
  }));
  const requests = {
    'one document': ['GET', `/api/v1/documents/${documentId}`],
    '50 documents': ['GET', '/api/v1/documents?limit=50'],
    'a search': ['POST', '/api/v1/search', { query: 'words of the corpus' }],
  };
  const measured = {};
  try {
    for (const [name, request] of Object.entries(requests)) {
      await send(80, request);
      const before = await spent();
      await send(400, request);
      const after = await spent();
      await new Promise((resolve) => setTimeout(resolve, 2000));
      const idle = await spent();
      const share = (after.at - before.at) / (idle.at - after.at);
      const of = (who) => (after[who] === null ? null : Math.round((after[who] - before[who] - (idle[who] - after[who]) * share) / 400));
      measured[name] = { serverMicros: of('server'), databaseMicros: of('database') };
    }
    return measured;
  } finally {
    for (const calls of callers) calls.close();
    child.disconnect();
    await once(child, 'exit');
  }
}

/** What the flush of usage costs where batching helps least: a call of each of so many tenants, all with a key, in one second of one process. */
async function measureFlush(api, superuserUrl, database, tenants) {
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
async function measureQueue(url, workers) {
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
async function measureRedis(directory, calls) {
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

async function main() {
  if (!(await buildIfStale())) throw new Error('The build failed.');
  const directory = await mkdtemp(path.join(tmpdir(), 'morag-footprint-'));
  await chmod(directory, 0o755);
  const [{ EmbeddedPostgres }, { migrate }, { createApp }, { createRootLogger }, { Config }, { readEnv }] = await Promise.all(
    ['persistence/embedded-postgres.js', 'schema.js', 'app.js', 'common/logging.js', 'config/config.js', 'config/env.js'].map(from),
  );
  const embedded = await EmbeddedPostgres.join(directory, console.warn);
  const closing = [() => embedded.leave()];
  let closed;
  const close = () =>
    (closed ??= (async () => {
      for (const end of closing) await end();
      await rm(directory, { recursive: true, force: true });
    })());
  // The database would go on without whoever started it.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void close().finally(() => process.exit(130)));
  try {
    await migrate(embedded.url, { production: false, warn: console.warn });
    const superuserUrl = embedded.superuserUrl.replace(/\/[^/]*$/, '/morag');
    const database = await Database.connect(superuserUrl);
    closing.unshift(() => database.end());
    const trips = new RoundTrips();
    const open = async (ROLE) => {
      const config = new Config(readEnv({ NODE_ENV: 'development', DATA_DIR: directory, PORT: '0', LOG_LEVEL: 'silent', DOCS_ENABLED: 'false', ROLE }));
      const app = await createApp(config, embedded.url, createRootLogger('silent'));
      closing.unshift(() => app.close());
      await app.listen(0, '127.0.0.1');
      return app;
    };
    const api = await open('api');
    const url = await api.getUrl();
    const { token, key } = await seed(url, superuserUrl, 1);
    const calls = new TenantCalls(url, token);
    closing.unshift(() => calls.close());

    const texts = await textsOf(DOCUMENTS);
    const [start, tripsAtStart] = [await database.work(), trips.counts[POOL]];
    let documentId;
    await atOnce(texts, AT_ONCE, async (content, at) => {
      documentId = (await calls.call('POST', '/api/v1/ingest/text', { title: `Document ${at}`, content })).document_id;
    });
    const accepted = await database.work();
    const tripsAccepted = trips.counts[POOL];
    const queueBefore = trips.counts['morag-queue'] ?? 0;
    const begun = performance.now();
    await open('worker');
    for (;;) {
      const { open: left } = await database.one(`SELECT count(*)::int AS open FROM jobs WHERE status NOT IN ('FINISHED', 'FAILED', 'CANCELLED')`);
      if (left === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const seconds = (performance.now() - begun) / 1000;
    const tripsIngested = trips.counts[POOL];
    const ingested = await database.work();
    const idleFrom = { ...trips.counts };
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const idle = Object.fromEntries(Object.entries(trips.counts).map(([name, count]) => [name, (count - (idleFrom[name] ?? 0)) / 10]));
    const { failed } = await database.one(`SELECT count(*)::int AS failed FROM jobs WHERE status <> 'FINISHED'`);
    if (failed > 0) throw new Error(`${failed} jobs failed`);

    const rowsADocument = {};
    for (const table of TABLES) rowsADocument[table] = (await database.one(`SELECT count(*)::float8 / ${DOCUMENTS} AS rows FROM ${table}`)).rows;
    const queueTable = await database.one(`SELECT count(*)::float8 AS rows, pg_total_relation_size('pgboss.job_common')::float8 AS bytes FROM pgboss.job_common`);
    const roundTrips = await measureCalls(trips, { calls, key, documentId, url });
    const processor = await measureProcessor(embedded.url, directory, { token, documentId });
    await database.multiply();

    const result = {
      at: new Date().toISOString(),
      machine: describeMachine(),
      load: loadavg(),
      documents: DOCUMENTS,
      textBytesADocument: Math.round(sum(texts.map((text) => Buffer.byteLength(text))) / DOCUMENTS),
      accepting: { ...difference(accepted, start, DOCUMENTS), roundTrips: (tripsAccepted - tripsAtStart) / DOCUMENTS },
      ingesting: {
        ...difference(ingested, accepted, DOCUMENTS),
        roundTrips: (tripsIngested - tripsAccepted - idle[POOL] * seconds) / DOCUMENTS,
        roundTripsOfQueue: ((idleFrom['morag-queue'] ?? 0) - queueBefore - idle['morag-queue'] * seconds) / DOCUMENTS,
        perSecond: DOCUMENTS / seconds,
      },
      idleRoundTripsASecond: idle,
      rowsADocument,
      sizes: await database.sizes(TABLES),
      queueTable,
      roundTrips,
      processor,
      flush: await measureFlush(api, superuserUrl, database, 1000),
      redis: await measureRedis(directory, 100_000),
      queue: [],
    };
    for (const workers of [4, 16]) result.queue.push(await measureQueue(embedded.url, workers));
    const file = path.join(root, 'bench/results/footprint.json');
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
    console.log(JSON.stringify(result, null, 2));
  } finally {
    await close();
  }
}

await newEnoughNode();
await main();
