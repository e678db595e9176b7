import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { errorCode, errorMessage } from '../common/error-code.js';
import { StartupError } from '../config/env.js';
import { BACKUP_LOCK } from './backup-lock.js';
import { FAMILY_NAMES, listMonths } from './months.js';
import { listMigrations, listTables, quoted, type CopiedTable } from './table-catalogue.js';

/** For whoever holds the lock for a moment only; another backup holds it longer. */
const LOCK_PATIENCE = '5s';
const PATIENCE_AT_CLOSE_MS = 1000;
const WITHOUT_LIMITS = `SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL transaction_timeout = 0`;
/** Before there was a `transaction_timeout`. */
const WITHOUT_LIMITS_BEFORE_17 = WITHOUT_LIMITS.replace(/; SET LOCAL transaction_timeout = 0$/, '');

export interface CopiedSequence {
  name: string;
  lastValue: string;
  isCalled: boolean;
}

/**
 * All rows of the house as they are at one moment, while others go on writing. It holds the backup's lock from before that moment until it is
 * closed: in a transaction of its own, for a transaction keeps its connection also behind PgBouncer, and beside the snapshot's, which must
 * begin only when the lock is held.
 */
export class DatabaseSnapshot {
  private failure: unknown;

  private readonly locker: pg.Client;
  private readonly reader: pg.Client;
  private readonly sockets: Socket[] = [];

  private constructor(private readonly url: string) {
    this.locker = this.client('morag-backup-lock');
    this.reader = this.client('morag-backup');
  }

  /** @throws StartupError when the database cannot be reached, or another backup is being made */
  static async open(url: string): Promise<DatabaseSnapshot> {
    const snapshot = new DatabaseSnapshot(url);
    try {
      await snapshot.begin();
      return snapshot;
    } catch (error) {
      await snapshot.close();
      if (errorCode(error) === '55P03') throw new StartupError('Another backup of this database is being made. Wait until it has ended.', { cause: error });
      throw error;
    }
  }

  async facts(): Promise<{ postgresVersion: string; snapshot: string; takenAt: string }> {
    const [row] = await this.query<{ version: string; snapshot: string; taken_at: Date }>(`SELECT current_setting('server_version') AS version, pg_current_snapshot()::text AS snapshot, now() AS taken_at`);
    return { postgresVersion: row!.version, snapshot: row!.snapshot, takenAt: row!.taken_at.toISOString() };
  }

  /** Each after those that it refers to. */
  tables(): Promise<CopiedTable[]> {
    return listTables(this.reader);
  }

  /** In their order. */
  migrations(): Promise<string[]> {
    return this.asOwner(() => listMigrations(this.reader));
  }

  /** First days of the months that each table has which lies in months; the schema has none before migration 26. */
  async months(): Promise<Record<string, string[]>> {
    const months: Record<string, string[]> = {};
    for (const family of FAMILY_NAMES) {
      const ofFamily = await listMonths((sql, values) => this.query(sql, values), family);
      if (ofFamily.length > 0) months[family] = ofFamily;
    }
    return months;
  }

  /** Where the sequences are by now: never behind the rows, since no snapshot holds them. */
  async sequences(): Promise<CopiedSequence[]> {
    return this.asOwner(async () => {
      const { rows } = await this.reader.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' ORDER BY relname`);
      const sequences: CopiedSequence[] = [];
      // The migrations' own goes with its table.
      for (const { name } of rows.filter((row) => row.name !== 'migrations_id_seq')) {
        const state = await this.reader.query<Omit<CopiedSequence, 'name'>>(`SELECT last_value::text AS "lastValue", is_called AS "isCalled" FROM ${quoted(name)}`);
        sequences.push({ name, ...state.rows[0]! });
      }
      return sequences;
    });
  }

  /** The rows of a table in PostgreSQL's text format, to be read to its end before anything else is asked. */
  copyOut({ name, columns }: CopiedTable): Readable & { rowCount: number } {
    const rows = this.reader.query(copyTo(`COPY (SELECT ${columns.map(quoted).join(', ')} FROM ${quoted(name)}) TO STDOUT`));
    // One that nobody reads any more hears of it when its connection is closed, and that is no failure of ours.
    rows.on('error', () => undefined);
    return rows;
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.reader.query<Row>(sql, values)).rows;
  }

  /** To be called when everything has been copied. @throws Error when the lock was lost on the way */
  async assertHeld(): Promise<void> {
    if (this.failure === undefined) await this.locker.query('SELECT 1').catch((error: unknown) => (this.failure ??= error));
    if (this.failure !== undefined) throw new Error(`The connection to the database was lost (${errorMessage(this.failure)}).`, { cause: this.failure });
  }

  async close(): Promise<void> {
    await Promise.race([Promise.allSettled([this.reader.end(), this.locker.end()]), delay(PATIENCE_AT_CLOSE_MS, undefined, { ref: false })]);
    // One that was left in the middle of a table never says goodbye.
    for (const socket of this.sockets) socket.destroy();
  }

  private client(name: string): pg.Client {
    const socket = new Socket();
    this.sockets.push(socket);
    const client = new pg.Client({ connectionString: this.url, application_name: name, connectionTimeoutMillis: 5000, keepAlive: true, stream: () => socket });
    // A connection that breaks has let go of the lock; what was read since may lack what was removed.
    client.on('error', (error) => (this.failure ??= error));
    return client;
  }

  private async begin(): Promise<void> {
    try {
      await Promise.all([this.locker.connect(), this.reader.connect()]);
    } catch (error) {
      throw new StartupError(`The database cannot be reached (${errorMessage(error) || errorCode(error)}). Check DATABASE_URL.`, { cause: error });
    }
    const { rows } = await this.locker.query<{ version: number }>(`SELECT current_setting('server_version_num')::int AS version`);
    const withoutLimits = rows[0]!.version >= 170_000 ? WITHOUT_LIMITS : WITHOUT_LIMITS_BEFORE_17;
    await this.locker.query(`BEGIN; ${withoutLimits}; SET LOCAL lock_timeout = '${LOCK_PATIENCE}'`);
    await this.locker.query('SELECT pg_advisory_xact_lock($1)', [BACKUP_LOCK]);
    await this.reader.query(`BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; ${withoutLimits}; SET LOCAL ROLE morag_system`);
  }

  private async asOwner<T>(read: () => Promise<T>): Promise<T> {
    await this.reader.query('SET LOCAL ROLE morag_owner');
    const answer = await read();
    await this.reader.query('SET LOCAL ROLE morag_system');
    return answer;
  }
}
