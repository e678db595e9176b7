// What the rows measure in: one embedded PostgreSQL, databases in it, servers on them. Each is made when a row first asks for it.
import { fork } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { Installation } from './installation.mjs';
import { Load } from './load.mjs';
import { seed, seedTenants } from './seed.mjs';
import { TenantCalls } from './tenant-calls.mjs';

const from = (file) => import(`../dist/src/${file}`);
/** Of a growing installation. */
export const ADMINISTRATOR = { email: 'admin@example.com', password: 'correct-horse-battery' };
const START_DEADLINE_MS = 60_000;
const PATIENCE_MS = 20_000;

/** A server in a process of its own, which ends with this one. */
class ServerProcess {
  constructor(name, child, url) {
    this.name = name;
    this.child = child;
    this.url = url;
  }

  static async start(name, script, environment, profile) {
    const execArgv = profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile, '--cpu-prof-name', `${name}.cpuprofile`];
    const child = fork(fileURLToPath(new URL(`servers/${script}.mjs`, import.meta.url)), {
      execArgv,
      env: { ...process.env, ...environment },
      // The log is written, by system calls of its own, and read by nobody: a reader would take its time from the two that are measured.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    return new ServerProcess(name, child, (await answerOf(child, name, START_DEADLINE_MS)).url);
  }

  /** Of user and system, in µs, since the process began. */
  async cpuMicros() {
    this.child.send('cpu');
    return (await answerOf(this.child, this.name, PATIENCE_MS)).cpuMicros;
  }

  /** It stands still until it may `go` on. */
  pause() {
    this.child.kill('SIGSTOP');
  }

  go() {
    this.child.kill('SIGCONT');
  }

  /** Has it do something that takes a while, such as a round. */
  async ask(message, patienceMs = PATIENCE_MS) {
    this.child.send(message);
    const { failure, ...answer } = await answerOf(this.child, this.name, patienceMs);
    if (failure !== undefined) throw new Error(`the server ${this.name} failed: ${failure}`);
    return answer;
  }

  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    const giveUp = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE_MS);
    // A server that stands still hears nothing.
    this.go();
    this.child.disconnect();
    await ended;
    clearTimeout(giveUp);
  }
}

function answerOf(child, name, deadlineMs) {
  return new Promise((resolve, reject) => {
    const fail = (why) => {
      stopListening();
      reject(new Error(`the server ${name} ${why}`));
    };
    const onMessage = (message) => {
      stopListening();
      resolve(message);
    };
    const onExit = (code, signal) => fail(`ended (${signal ?? code})`);
    const timer = setTimeout(fail, deadlineMs, `said nothing for ${deadlineMs / 1000} s`);
    const stopListening = () => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit);
    };
    child.on('message', onMessage).on('exit', onExit);
  });
}

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
      return { server, ...(await seed(server.url, superuserUrl, keys)) };
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
      const installation = await Installation.open(api, worker, { superuserUrl, dataDir });
      this.#closing.unshift(() => installation.close());
      return installation;
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
