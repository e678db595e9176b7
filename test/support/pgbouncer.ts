import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { killed } from './child-process.js';
import { freePort } from './redis-server.js';

const pgbouncerIsMissing = spawnSync('pgbouncer', ['--version']).status !== 0;
if (pgbouncerIsMissing) console.warn('skipped: there is no pgbouncer here');

/** For tests that need PgBouncer: skipped, aloud, where it is not installed. */
export const describeWithPgBouncer = pgbouncerIsMissing ? describe.skip : describe;

/** It refuses to run as root, and needs nothing that anybody owns. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

export interface PoolStatistics {
  transactions: number;
  serverConnections: number;
}

/** A real PgBouncer before one database: in transaction mode, with so few connections that everybody shares them. */
export class PgBouncer {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly port: number,
    private readonly target: URL,
    private readonly directory: string,
  ) {}

  static async before(databaseUrl: string, poolSize: number, settings: Record<string, string> = {}): Promise<PgBouncer> {
    const target = new URL(databaseUrl);
    const directory = await mkdtemp(path.join(tmpdir(), 'morag-pgbouncer-'));
    await chmod(directory, 0o755);
    const port = await freePort();
    const name = target.pathname.slice(1);
    const all = {
      listen_addr: '127.0.0.1', listen_port: port, unix_socket_dir: '', auth_type: 'any', admin_users: 'admin',
      pool_mode: 'transaction', default_pool_size: poolSize, max_client_conn: 200, server_login_retry: 1, ...settings,
    };
    const lines = [
      '[databases]', `${name} = host=${target.hostname} port=${target.port} dbname=${name} user=${target.username} password=${decodeURIComponent(target.password)}`,
      '[pgbouncer]', ...Object.entries(all).map(([setting, value]) => `${setting} = ${value}`),
    ];
    await writeFile(path.join(directory, 'pgbouncer.ini'), `${lines.join('\n')}\n`);
    const bouncer = new PgBouncer(port, target, directory);
    await bouncer.restart();
    return bouncer;
  }

  /** Starts it on the same port. */
  async restart(): Promise<void> {
    const child = spawn('pgbouncer', [path.join(this.directory, 'pgbouncer.ini')], { stdio: ['ignore', 'ignore', 'pipe'], ...NOBODY });
    this.child = child;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    while (!said.includes('process up')) {
      if (child.exitCode !== null) throw new Error(`pgbouncer ended: ${said}`);
      await Promise.race([once(child.stderr, 'data'), once(child, 'close')]);
    }
  }

  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  /** As its console tells them. */
  async statistics(): Promise<PoolStatistics> {
    const console = new pg.Client({ host: '127.0.0.1', port: this.port, user: 'admin', database: 'pgbouncer' });
    await console.connect();
    try {
      const { rows: totals } = await console.query<{ database: string; total_xact_count: string }>('SHOW STATS');
      const { rows: servers } = await console.query('SHOW SERVERS');
      return { transactions: Number(totals.find(({ database }) => database === this.target.pathname.slice(1))?.total_xact_count ?? 0), serverConnections: servers.length };
    } finally {
      await console.end();
    }
  }

  kill(): Promise<void> {
    return killed(this.child!);
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}
