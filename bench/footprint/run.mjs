// `node bench/footprint/run.mjs [documents]`: what one document, one call and one job cost in rows, bytes, write-ahead log, commits and round trips.
// docs/scale-plan.md multiplies these; bench/results/footprint.json has them. Minutes, not part of `npm run bench`.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { buildIfStale, root } from '../../scripts/build.mjs';
import { runCommand } from '../command.mjs';
import { describeMachine } from '../report.mjs';
import { seed } from '../seed.mjs';
import { TenantCalls } from '../tenant-calls.mjs';
import { measureCalls, measureProcessor } from './calls.mjs';
import { Database } from './database.mjs';
import { measureFlush, measureQueue, measureRedis } from './engines.mjs';
import { measureIngestion } from './ingestion.mjs';
import { POOL, RoundTrips } from './round-trips.mjs';

const DOCUMENTS = Number(process.argv[2] ?? 600);
const TABLES = ['documents', 'document_chunks', 'document_contents', 'jobs', 'job_events', 'audit_entries', 'audit_links'];
const TENANTS_IN_A_FLUSH = 1000;
const CALLS_OF_REDIS = 100_000;
const WORKERS = [4, 16];

const from = (file) => import(path.join(root, 'dist/src', file));

/** Its own database and data directory; whatever is opened is closed in the reverse order. */
class Installation {
  #closing = [];
  #closed;

  async start() {
    this.directory = await mkdtemp(path.join(tmpdir(), 'morag-footprint-'));
    this.#closing.unshift(() => rm(this.directory, { recursive: true, force: true }));
    await chmod(this.directory, 0o755);
    const [{ EmbeddedPostgres }, { migrate }] = await Promise.all(['persistence/embedded-postgres.js', 'schema.js'].map(from));
    const embedded = await EmbeddedPostgres.join(this.directory, console.warn);
    this.#closing.unshift(() => embedded.leave());
    this.url = embedded.url;
    this.superuserUrl = embedded.superuserUrl.replace(/\/[^/]*$/, '/morag');
    await migrate(this.url, { production: false, warn: console.warn });
    this.database = await Database.connect(this.superuserUrl);
    this.#closing.unshift(() => this.database.end());
  }

  /** The server in this process, where its round trips can be counted. */
  async open(ROLE) {
    const [{ createApp }, { createRootLogger }, { Config }, { readEnv }] = await Promise.all(['app.js', 'common/logging.js', 'config/config.js', 'config/env.js'].map(from));
    const config = new Config(readEnv({ NODE_ENV: 'development', DATA_DIR: this.directory, PORT: '0', LOG_LEVEL: 'silent', DOCS_ENABLED: 'false', ROLE }));
    const app = await createApp(config, this.url, createRootLogger('silent'));
    this.#closing.unshift(() => app.close());
    await app.listen(0, '127.0.0.1');
    return app;
  }

  callsOf(url, token) {
    const calls = new TenantCalls(url, token);
    this.#closing.unshift(() => calls.close());
    return calls;
  }

  close() {
    this.#closed ??= (async () => {
      for (const end of this.#closing) await end();
    })();
    return this.#closed;
  }
}

async function measure(installation) {
  const trips = new RoundTrips();
  const { directory, database, url: databaseUrl, superuserUrl } = installation;
  const api = await installation.open('api');
  const url = await api.getUrl();
  const { token, key } = await seed(url, superuserUrl, 1);
  const calls = installation.callsOf(url, token);
  const { documentId, ...ingestion } = await measureIngestion(DOCUMENTS, { calls, database, trips, openWorker: () => installation.open('worker') });
  const rowsADocument = {};
  for (const table of TABLES) rowsADocument[table] = (await database.one(`SELECT count(*)::float8 / ${DOCUMENTS} AS rows FROM ${table}`)).rows;
  const roundTrips = await measureCalls(trips, ingestion.idleRoundTripsASecond[POOL], { calls, key, documentId, url });
  const processor = await measureProcessor(databaseUrl, directory, { database, token, documentId });
  await database.multiply();
  const sizes = await database.sizes(TABLES);
  const flush = await measureFlush(api, superuserUrl, database, TENANTS_IN_A_FLUSH);
  const redis = await measureRedis(directory, CALLS_OF_REDIS);
  const queue = [];
  for (const workers of WORKERS) queue.push(await measureQueue(databaseUrl, workers));
  return { documents: DOCUMENTS, ...ingestion, rowsADocument, sizes, roundTrips, processor, flush, redis, queue };
}

async function main() {
  if (!(await buildIfStale())) throw new Error('The build failed.');
  const machine = describeMachine();
  const installation = new Installation();
  // The database would go on without whoever started it.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void installation.close().finally(() => process.exit(130)));
  try {
    await installation.start();
    const result = { at: new Date().toISOString(), machine, ...(await measure(installation)), loadAfter: loadavg()[0] };
    const file = path.join(root, 'bench/results/footprint.json');
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
    console.log(JSON.stringify(result, null, 2));
  } finally {
    await installation.close();
  }
}

await runCommand(main);
