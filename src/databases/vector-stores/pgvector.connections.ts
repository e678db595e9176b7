import { Socket } from 'node:net';
import pg from 'pg';
import type { Outbound } from '../../outbound/outbound.js';
import { parseTarget } from '../../outbound/address-policy.js';
import { UrlNotAllowed } from '../../outbound/outbound.errors.js';
import { rejectAsServerFailure } from './pgvector.errors.js';
import { VectorServerFailure } from './remote-failure.js';

export interface Sql {
  query<Row extends object>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>;
}

/** What the store needs of PostgreSQL, so that an embedded one can stand behind it, too. */
export interface SqlConnections {
  /**
   * Runs `work` in a transaction of its own, which is rolled back when it rejects.
   * @param settings statements of SQL, run first
   */
  transaction<T>(settings: string, work: (sql: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface PostgresServer {
  host: string;
  port?: number;
  user: string;
  password?: string;
  database: string;
  /** Refuses a server without TLS, and one whose certificate is not for `host`; `ca` in PEM for a certificate of one's own authority. */
  tls?: boolean | { ca: string };
  outbound: Pick<Outbound, 'checkedAddresses'>;
  logger: { warn(message: string): void };
  /** 5 s */
  connectTimeoutMs?: number;
  /** 30 s */
  statementTimeoutMs?: number;
}

const CONNECTIONS = 4;
/** What the server's own statement timeout needs to be heard of. */
const GRACE_MS = 5000;

/** A few connections to a PostgreSQL server that a user has named. */
export class PostgresConnections implements SqlConnections {
  private readonly pool: pg.Pool;
  private readonly settings: string;
  private readonly sockets = new Set<Socket>();

  constructor(server: PostgresServer) {
    const { host, port = 5432, user, password = '', database, tls = false, connectTimeoutMs = 5000, statementTimeoutMs = 30_000 } = server;
    this.pool = new pg.Pool({
      host,
      port,
      user,
      // In the place of an empty one, pg would send the one that the environment or the home directory holds.
      password: () => password,
      database,
      ssl: tls === true ? {} : tls,
      stream: () => this.socket(server.outbound),
      max: CONNECTIONS,
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: statementTimeoutMs + GRACE_MS,
      idleTimeoutMillis: 30_000,
      allowExitOnIdle: true,
      application_name: 'morag-server',
    });
    // Without listeners, a connection that breaks would end the process. One that nobody uses is replaced by the pool; who uses one is told by the statement.
    this.pool.on('error', (error) => server.logger.warn(`A connection to PostgreSQL at ${host} ended: ${error.message}`));
    this.pool.on('connect', (client) => client.on('error', () => undefined));
    this.settings = `SET LOCAL statement_timeout = ${statementTimeoutMs};`;
  }

  async transaction<T>(settings: string, work: (sql: Sql) => Promise<T>): Promise<T> {
    const client = await this.pool.connect().catch(rejectAsServerFailure);
    const sql: Sql = { query: (text, values) => client.query(text, values).catch(rejectAsServerFailure) };
    let broken = false;
    try {
      await sql.query(`BEGIN; ${settings}; ${this.settings}`);
      const result = await work(sql);
      await sql.query('COMMIT');
      return result;
    } catch (error) {
      // A connection that failed may still be busy; the server rolls back what it leaves open.
      broken = error instanceof VectorServerFailure || (await client.query('ROLLBACK').then(() => false, () => true));
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
    // The pool forgets connections that came to nothing, whoever still holds their other end.
    for (const socket of this.sockets) socket.destroy();
  }

  private socket(outbound: PostgresServer['outbound']): Socket {
    const socket = new CheckedSocket(outbound);
    this.sockets.add(socket);
    return socket.once('close', () => this.sockets.delete(socket));
  }
}

/** Connects to the addresses that were checked, each time anew; pg keeps the name for the certificate. */
class CheckedSocket extends Socket {
  constructor(private readonly outbound: PostgresServer['outbound']) {
    super();
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- one of the six forms that Socket declares, the one that pg calls
  override connect(...[port, host]: any[]): this {
    void this.dial(Number(port), String(host)).catch((error: unknown) => this.destroy(error as Error));
    return this;
  }

  private async dial(port: number, host: string): Promise<void> {
    const target = parseTarget(`http://${host.includes(':') ? `[${host}]` : host}:${port}`);
    if (!target) throw new UrlNotAllowed();
    const addresses = await this.outbound.checkedAddresses({ ...target, port });
    super.connect({
      port,
      host,
      lookup: (_host, options, answer) => (options.all ? answer(null, addresses) : answer(null, addresses[0]!.address, addresses[0]!.family)),
    });
  }
}
