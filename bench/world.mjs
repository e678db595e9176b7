// What the rows measure in: one embedded PostgreSQL, databases in it, servers on them. Each is made when a row first asks for it.
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { Installation } from './installation.mjs';
import { Load } from './load.mjs';
import { Pairs } from './pairs.mjs';
import { startRedis } from './redis.mjs';
import { seed, seedDocuments, seedTenants } from './seed.mjs';
import { ServerProcess } from './server-process.mjs';
import { TenantCalls } from './tenant-calls.mjs';

const from = (file) => import(`../dist/src/${file}`);

/** Of a growing installation. */
export const ADMINISTRATOR = { email: 'admin@example.com', password: 'correct-horse-battery' };

/** Enough for a list to be a page of it. */
const DOCUMENTS = 10_000;

export class World {
  #options;
  #things = new Map();
  #closing = [];
  #closed;

  constructor(options) {
    this.#options = options;
  }

  /** A floor: one of the scripts in servers/. */
  floor(script) {
    return this.#once(`floor ${script}`, () => this.#start(script, script, {}));
  }

  /** The whole server on a database with so many keys, and who may call it. */
  morag(keys) {
    return this.#once(`morag ${keys}`, async () => {
      const name = `morag_${keys}`;
      const { url, superuserUrl } = await this.#database(name);
      const dataDir = await this.#directory(name);
      const server = await this.#start(name, 'morag', { NODE_ENV: 'development', DATABASE_URL: url, DATA_DIR: dataDir, ROLE: 'api', LOG_LEVEL: 'info', DOCS_ENABLED: 'false' });
      return { server, url, superuserUrl, ...(await seed(server.url, superuserUrl, keys)) };
    });
  }

  /** The same of few keys, with documents, and a plain process on its database that can answer as it does. */
  documented() {
    return this.#once('documented', async () => {
      const { server, signIn, url, superuserUrl } = await this.morag(10);
      const { databases } = await this.#calls(server, await signIn()).call('GET', '/api/v1/databases');
      const documents = await seedDocuments(superuserUrl, databases[0].id, DOCUMENTS);
      const plain = await this.#start('plain-documents', 'plain-documents', { DATABASE_URL: url, DIRECTORY: await this.#directory('plain-documents') });
      return { server, signIn, plain, documents };
    });
  }

  /** The same of few keys, and a plain process that keeps what it is sent. */
  uploading() {
    return this.#once('uploading', async () => {
      const plain = await this.#start('plain-upload', 'plain-upload', { DIRECTORY: await this.#directory('plain-upload') });
      return { plain, ...(await this.morag(10)) };
    });
  }

  /** So many tenants without limits they could reach, and who charges them: the server's code, and plain clients, which charge the first one only. */
  charges(count) {
    return this.#once(`charges ${count}`, async () => {
      const { url, superuserUrl } = await this.#database('morag_charges');
      const tenants = await seedTenants(superuserUrl, count);
      const server = await this.#start('charges', 'charges', { DATABASE_URL: url });
      const plain = await this.#start('plain-charges', 'charges', { DATABASE_URL: url, PLAIN_TENANT: tenants[0] });
      return { server, plain, tenants };
    });
  }

  /** An API and a worker, each a process, on one database and data directory, and somebody who may send documents without end. */
  installation() {
    return this.#once('installation', async () => {
      const { url, superuserUrl } = await this.#database('morag_installation');
      const dataDir = await this.#directory('installation');
      const environment = { NODE_ENV: 'development', DATABASE_URL: url, DATA_DIR: dataDir, LOG_LEVEL: 'info', DOCS_ENABLED: 'false' };
      const api = await this.#start('api', 'installed', { ...environment, ROLE: 'api' });
      const worker = await this.#start('worker', 'installed', { ...environment, ROLE: 'worker' });
      const atRest = { api: await api.residentBytes(), worker: await worker.residentBytes() };
      const installation = await Installation.open(api, worker, { superuserUrl, dataDir, atRest });
      this.#closing.unshift(() => installation.close());
      return installation;
    });
  }

  /** So many pairs of an API process and a worker, each process with such a share of a processor, and the people who use them. */
  pairs(count, share) {
    return this.#once(`pairs ${count}`, async () => {
      const name = `pairs_${count}`;
      const [{ url, superuserUrl }, dataDir, { url: redisUrl }] = await Promise.all([this.#database(`morag_${name}`), this.#directory(name), this.#redis()]);
      const environment = { NODE_ENV: 'development', DATABASE_URL: url, REDIS_URL: redisUrl, DATA_DIR: dataDir, LOG_LEVEL: 'info', DOCS_ENABLED: 'false' };
      const limits = [];
      this.#closing.unshift(() => Promise.all(limits.map((limit) => limit.end())));
      const pairs = await Pairs.open(count, { superuserUrl, start: (process, role) => this.#start(process, 'installed', { ...environment, ROLE: role }) });
      this.#closing.unshift(() => pairs.close());
      limits.push(...pairs.limitTo(share));
      return pairs;
    });
  }

  /** A whole server, API and worker in one process, and the calls of a person of its own. */
  whole(name) {
    return this.#once(`whole ${name}`, async () => {
      const { url, superuserUrl } = await this.#database(`morag_${name}`);
      const dataDir = await this.#directory(name);
      const server = await this.#start(name, 'installed', { NODE_ENV: 'development', DATABASE_URL: url, DATA_DIR: dataDir, LOG_LEVEL: 'info', DOCS_ENABLED: 'false', ROLE: 'all' });
      return this.#calls(server, (await seed(server.url, superuserUrl, 1)).token);
    });
  }

  /** A server on a database that somebody fills while it runs; `beside` starts another process on the same. */
  growing(name, role = 'api') {
    return this.#once(`growing ${name}`, async () => {
      const { url, superuserUrl } = await this.#database(`morag_growing_${name}`);
      const environment = { NODE_ENV: 'development', DATABASE_URL: url, DATA_DIR: await this.#directory(name), ROLE: role, LOG_LEVEL: 'info', DOCS_ENABLED: 'false' };
      const beside = (script, more = {}) => this.#start(`${name} ${script}`, script, { ...environment, ...more });
      const server = await beside('morag', { ADMIN_EMAIL: ADMINISTRATOR.email, ADMIN_PASSWORD: ADMINISTRATOR.password });
      const client = new pg.Client({ connectionString: superuserUrl });
      await client.connect();
      this.#closing.unshift(() => client.end());
      return { server, client, beside };
    });
  }

  /** An API, and a plain process on its vectors, which can also fill the tenant's databases past it. */
  searchable() {
    return this.#once('searchable', async () => {
      const { url, superuserUrl } = await this.#database('morag_searchable');
      const dataDir = await this.#directory('searchable');
      const api = await this.#start('searched', 'installed', { NODE_ENV: 'development', DATABASE_URL: url, DATA_DIR: dataDir, LOG_LEVEL: 'info', DOCS_ENABLED: 'false', ROLE: 'api' });
      const { token } = await seed(api.url, superuserUrl, 1);
      const plain = await this.#start('plain-search', 'plain-search', { SUPERUSER_URL: superuserUrl, DATA_DIR: dataDir });
      return { plain, calls: this.#calls(api, token) };
    });
  }

  /** A database that is up to date, and where a server of nobody's may keep its data and its compiled code. */
  startable() {
    return this.#once('startable', async () => {
      const { url } = await this.#database('morag_startable');
      return { url, dataDir: await this.#directory('startable'), cacheDir: await this.#directory('compiled') };
    });
  }

  emptyDirectory() {
    return this.#directory('empty');
  }

  /** @returns files of the same names, each `{ file, type }`, for who reads them from disk */
  async written(files) {
    const directory = await this.#directory('files');
    return Promise.all(
      files.map(async ({ name, type, bytes }) => {
        const file = path.join(directory, name);
        await writeFile(file, bytes);
        return { file, type };
      }),
    );
  }

  load() {
    return this.#once('load', () => {
      const load = new Load();
      this.#closing.unshift(() => load.stop());
      return load;
    });
  }

  /** In the reverse order of opening. */
  close() {
    this.#closed ??= (async () => {
      for (const close of this.#closing) await close();
    })();
    return this.#closed;
  }

  #once(name, make) {
    if (!this.#things.has(name)) this.#things.set(name, make());
    return this.#things.get(name);
  }

  async #start(name, script, environment) {
    const server = await ServerProcess.start(name, script, environment, this.#options.profile);
    this.#closing.unshift(() => server.stop());
    return server;
  }

  #calls(server, token) {
    const calls = new TenantCalls(server.url, token);
    this.#closing.unshift(() => calls.close());
    return calls;
  }

  async #directory(name) {
    const directory = await mkdtemp(path.join(tmpdir(), `morag-bench-${name}-`));
    // PostgreSQL runs as another user when this is run by root.
    await chmod(directory, 0o755);
    this.#closing.unshift(() => rm(directory, { recursive: true, force: true }));
    return directory;
  }

  #redis() {
    return this.#once('redis', async () => {
      const redis = await startRedis(await this.#directory('redis'));
      this.#closing.unshift(() => redis.stop());
      return redis;
    });
  }

  #postgres() {
    return this.#once('postgres', async () => {
      const [{ EmbeddedPostgres }, directory] = await Promise.all([from('persistence/embedded-postgres.js'), this.#directory('postgres')]);
      const embedded = await EmbeddedPostgres.join(directory, console.warn);
      this.#closing.unshift(() => embedded.leave());
      return embedded;
    });
  }

  async #database(name) {
    const [embedded, { setUpDatabase }, { setUpQueue }] = await Promise.all([this.#postgres(), from('persistence/database-setup.js'), from('jobs/queue.setup.js')]);
    const client = new pg.Client({ connectionString: embedded.superuserUrl });
    await client.connect();
    await client.query(`CREATE DATABASE ${name} OWNER morag`);
    await client.end();
    const [url, superuserUrl] = [embedded.url, embedded.superuserUrl].map((address) => address.replace(/\/[^/]*$/, `/${name}`));
    await setUpDatabase(url, { production: false, warn: console.warn });
    await setUpQueue(url);
    return { url, superuserUrl };
  }
}
