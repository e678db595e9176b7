import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { errorCode } from '../common/error-code.js';
import { StartupError } from '../config/env.js';
import { PostgresInstallation } from './postgres-installation.js';

/** Held shared by every process that uses the embedded server; the one that gets it alone is the last and stops the server. */
const PRESENCE_LOCK = 7_120_321_604_512;
const START_DEADLINE_MS = 30_000;
/** Some may fail: another process is faster, or what is left of a killed server still has the memory. */
const FAILED_STARTS = 20;
const RECOVERY_PAUSE_MS = 2000;
const DATABASE = 'morag';
const LOGIN = 'morag';

function freePort(preferred: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (preferred !== 0 && error.code === 'EADDRINUSE') resolve(freePort(0));
      else reject(error);
    });
    probe.listen(preferred, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

/**
 * A real PostgreSQL under the data directory. The first process starts it, others join it, the last one to leave stops it;
 * it survives a SIGKILL of its users, and is brought back when it dies under them.
 */
export class EmbeddedPostgres {
  private presence: pg.Client | undefined;
  private leaving = false;

  private constructor(
    private readonly installation: PostgresInstallation,
    private readonly warn: (message: string) => void,
  ) {}

  static async join(dataDir: string, warn: (message: string) => void): Promise<EmbeddedPostgres> {
    const embedded = new EmbeddedPostgres(await PostgresInstallation.prepare(dataDir), warn);
    await embedded.startOrJoin();
    await embedded.ensureDatabase();
    return embedded;
  }

  /** For the server: a login role without any right of its own. */
  get url(): string {
    return this.urlFor(LOGIN, DATABASE);
  }

  /** For the tests, which make and drop databases. */
  get superuserUrl(): string {
    return this.urlFor('postgres', 'postgres');
  }

  /** Leaves the server to the others, or stops it when nobody else is left. */
  async leave(): Promise<void> {
    this.leaving = true;
    const presence = this.presence;
    if (!presence) return;
    try {
      await presence.query('SELECT pg_advisory_unlock_shared($1)', [PRESENCE_LOCK]);
      const { rows } = await presence.query<{ alone: boolean }>('SELECT pg_try_advisory_lock($1) AS alone', [PRESENCE_LOCK]);
      // Stopped with the lock still held: whoever joins now waits for it, loses the connection and starts anew.
      if (rows[0]?.alone) await this.installation.control('stop', '-m', 'fast', '-w', '-t', '20');
      else await presence.end();
    } catch (error) {
      this.warn(`The embedded database was gone before it could be stopped (${String(error)}).`);
    }
  }

  private async startOrJoin(): Promise<void> {
    const deadline = Date.now() + START_DEADLINE_MS;
    let failure: unknown;
    let failedStarts = 0;
    while (Date.now() < deadline && failedStarts < FAILED_STARTS && !this.leaving) {
      try {
        if (this.installation.port !== 0) return await this.announcePresence();
      } catch (error) {
        failure = error;
        if (errorCode(error) === '28P01') break;
      }
      const outcome = await this.start();
      if (outcome === 'failed') failedStarts += 1;
      if (outcome !== 'started') await delay(100);
    }
    if (this.leaving) return;
    const log = this.installation.lastLogLine();
    throw new StartupError(`The embedded database did not start (${log || String(failure)}). Its log is ${this.installation.logFile}.`);
  }

  private async start(): Promise<'started' | 'failed' | 'runs already'> {
    this.installation.removeStaleLock();
    // A running server that is only starting up or shutting down keeps its port.
    if ((await this.installation.control('status')) === 0) return 'runs already';
    const port = await freePort(this.installation.port);
    const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200`;
    const code = await this.installation.control('start', '-w', '-t', '20', '-s', '-l', this.installation.logFile, '-o', settings);
    if (code !== 0) return 'failed';
    this.installation.port = port;
    return 'started';
  }

  private async announcePresence(): Promise<void> {
    const client = new pg.Client({ connectionString: this.superuserUrl, application_name: 'morag-presence', connectionTimeoutMillis: 5000 });
    client.on('error', () => void this.recover(client));
    await client.connect();
    await client.query('SELECT pg_advisory_lock_shared($1)', [PRESENCE_LOCK]);
    this.presence = client;
  }

  /** The server died under us: bring it back on the same port, so that the pools find it again. */
  private async recover(lost: pg.Client): Promise<void> {
    if (this.leaving || this.presence !== lost) return;
    this.presence = undefined;
    this.warn('The embedded database went away; starting it again.');
    while (!this.leaving && !this.presence) {
      try {
        await this.startOrJoin();
      } catch (error) {
        this.warn(String(error));
        await delay(RECOVERY_PAUSE_MS);
      }
    }
  }

  private async ensureDatabase(): Promise<void> {
    const { rows } = await this.presence!.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rows.length > 0) return;
    // Under the lock of all starters, which at most one of them gets at a time.
    await this.presence!.query('SELECT pg_advisory_lock($1)', [PRESENCE_LOCK + 1]);
    try {
      const password = this.installation.password;
      await this.presence!.query(`DO $$ BEGIN CREATE ROLE ${LOGIN} LOGIN NOINHERIT CREATEROLE PASSWORD '${password}';
        EXCEPTION WHEN duplicate_object THEN NULL; END $$`);
      const again = await this.presence!.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
      if (again.rows.length === 0) await this.presence!.query(`CREATE DATABASE ${DATABASE} OWNER ${LOGIN}`);
    } finally {
      await this.presence!.query('SELECT pg_advisory_unlock($1)', [PRESENCE_LOCK + 1]);
    }
  }

  private urlFor(user: string, database: string): string {
    return `postgres://${user}:${encodeURIComponent(this.installation.password)}@127.0.0.1:${this.installation.port}/${database}`;
  }
}
