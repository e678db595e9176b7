import { appendFile, chown, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { setUpQueue } from '../../src/jobs/queue.setup.js';
import { setUpDatabase } from '../../src/persistence/database-setup.js';
import { EmbeddedPostgres } from '../../src/persistence/embedded-postgres.js';
import { databaseFiles, databaseProcesses, type Sandbox } from './sandbox.js';

/** One that has migrated, which is what all tests want, and nothing that outlives the machine, which none does. */
async function makePrimary(dataDir: string): Promise<void> {
  const server = await EmbeddedPostgres.join(dataDir, console.warn);
  await asSuperuser(server, (client) => client.query('ALTER SYSTEM SET fsync = off'));
  await asSuperuser(server, (client) => client.query('SELECT pg_reload_conf()'));
  await setUpDatabase(server.url, { production: true, warn: console.warn });
  await setUpQueue(server.url);
  await server.leave();
}

async function asSuperuser<T>(server: EmbeddedPostgres, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: server.superuserUrl.replace(/\/postgres$/, '/morag') });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A PostgreSQL with a standby that streams from it: the data directory of a server that was stopped is as good a copy as `pg_basebackup` makes. */
export class ReplicatedDatabase {
  private constructor(
    private readonly primary: EmbeddedPostgres,
    private readonly standbyDir: string,
    private standby: EmbeddedPostgres,
  ) {}

  static async start(sandbox: Sandbox): Promise<ReplicatedDatabase> {
    const primaryDir = await sandbox.dataDir();
    await makePrimary(primaryDir);
    const standbyDir = await sandbox.copyOf(primaryDir);
    const primary = await EmbeddedPostgres.join(primaryDir, console.warn);
    const { hostname, port, username, password } = new URL(primary.superuserUrl);
    const files = databaseFiles(standbyDir);
    await appendFile(path.join(files, 'postgresql.auto.conf'), `primary_conninfo = 'host=${hostname} port=${port} user=${username} password=${password}'\nwal_retrieve_retry_interval = 100\n`);
    await writeFile(path.join(files, 'standby.signal'), '');
    const { uid, gid } = await stat(path.join(files, 'PG_VERSION'));
    await chown(path.join(files, 'standby.signal'), uid, gid);
    return new ReplicatedDatabase(primary, standbyDir, await EmbeddedPostgres.join(standbyDir, console.warn));
  }

  get url(): string {
    return this.primary.url;
  }

  get replicaUrl(): string {
    return this.standby.url;
  }

  /** On the primary, as one who sees all rows; no trigger tells anybody of what it changes. */
  async write(sql: string, values: unknown[] = []): Promise<void> {
    await asSuperuser(this.primary, async (client) => {
      await client.query('SET session_replication_role = replica');
      await client.query(sql, values);
    });
  }

  /** As it happens to the tenant in some other process, which announces it. */
  async happen(tenantId: string): Promise<void> {
    await asSuperuser(this.primary, (client) => client.query(`INSERT INTO events (tenant_id, type, payload) VALUES ($1, 'test.happened', '{}')`, [tenantId]));
  }

  async pauseReplay(): Promise<void> {
    await asSuperuser(this.standby, (client) => client.query('SELECT pg_wal_replay_pause()'));
  }

  async resumeReplay(): Promise<void> {
    await asSuperuser(this.standby, (client) => client.query('SELECT pg_wal_replay_resume()'));
  }

  /** From now on no query holds up what is to be replayed. */
  async preferReplay(): Promise<void> {
    for (const sql of ['ALTER SYSTEM SET max_standby_streaming_delay = 0', 'SELECT pg_reload_conf()']) await asSuperuser(this.standby, (client) => client.query(sql));
  }

  async stopReplica(): Promise<void> {
    await this.standby.leave();
  }

  /** On the same port. */
  async startReplica(): Promise<void> {
    this.standby = await EmbeddedPostgres.join(this.standbyDir, console.warn);
  }

  /** It keeps its connections and says nothing. */
  silenceReplica(): void {
    for (const pid of databaseProcesses(this.standbyDir)) process.kill(pid, 'SIGSTOP');
  }

  wakeReplica(): void {
    for (const pid of databaseProcesses(this.standbyDir)) process.kill(pid, 'SIGCONT');
  }

  async stop(): Promise<void> {
    await this.standby.leave();
    await this.primary.leave();
  }
}
