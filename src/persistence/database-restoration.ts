import type { Writable } from 'node:stream';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { errorCode, errorMessage } from '../common/error-code.js';
import { StartupError } from '../config/env.js';
import type { CopiedSequence } from './database-snapshot.js';
import { FAMILY_NAMES, openMonth } from './months.js';
import { listMigrations, listTables, quoted, type CopiedTable } from './table-catalogue.js';

/** Something of the house that is connected, other than this process. */
const OTHERS = `SELECT application_name AS name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'morag%' AND pid <> pg_backend_pid()`;

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'morag-restore', connectionTimeoutMillis: 5000 });
  // The statement under way fails, and tells why.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw new StartupError(`The database cannot be reached (${errorMessage(error) || errorCode(error)}). Check DATABASE_URL.`, { cause: error });
  }
  return client;
}

/**
 * Refuses a database in which something is, or that a server uses. One with empty tables will do: so a restore that was killed may begin anew.
 * @param migrations those of the backup
 */
export async function refuseUnlessEmpty(url: string, migrations: readonly string[]): Promise<void> {
  const client = await connected(url);
  try {
    if ((await client.query(OTHERS)).rows.length > 0) throw new StartupError('A server is running on the database. Stop it, and restore into an empty one.');
    const { rows } = await client.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')`);
    if (rows.length > 0) await refuseRows(client, migrations);
  } finally {
    await client.end();
  }
}

async function refuseRows(client: pg.Client, migrations: readonly string[]): Promise<void> {
  const notEmpty = (what: string, cause?: unknown): StartupError => new StartupError(`The database is not empty (${what}). Restore into an empty one.`, { cause });
  await client.query('BEGIN');
  try {
    await client.query('SET LOCAL ROLE morag_owner');
    const present = await listMigrations(client);
    if (present.length === 0) throw notEmpty('it has tables that are not the server’s');
    if (present.some((name, at) => name !== migrations[at])) throw notEmpty('its schema is newer than the backup');
    const tables = await listTables(client);
    await client.query('SET LOCAL ROLE morag_system');
    for (const { name } of tables) {
      const { rows } = await client.query(`SELECT FROM ${quoted(name)} LIMIT 1`);
      if (rows.length > 0) throw notEmpty(`the table ${name} has rows`);
    }
  } catch (error) {
    throw error instanceof StartupError ? error : notEmpty(errorMessage(error), error);
  } finally {
    await client.query('ROLLBACK');
  }
}

/**
 * Fills an empty, migrated database in one transaction: all of it or nothing. As the owner of the tables, who may set aside for that long what a
 * table does by itself (its triggers have had their effects, which are rows of the backup) and whom it shows to whom; references are checked as ever.
 */
export class DatabaseRestoration {
  private constructor(private readonly client: pg.Client) {}

  static async run(url: string, work: (restoration: DatabaseRestoration) => Promise<void>): Promise<void> {
    const client = await connected(url);
    try {
      await client.query('BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL ROLE morag_owner');
      await work(new DatabaseRestoration(client));
      await client.query('COMMIT');
      // Until the planner knows how much there is, each list would be read as if it were empty.
      await client.query('SET ROLE morag_owner');
      await client.query('ANALYZE');
    } finally {
      await client.end();
    }
  }

  /** What the migrated database has: the same tables and columns as the backup, or it is not of that schema. */
  tables(): Promise<CopiedTable[]> {
    return listTables(this.client);
  }

  /** Hands `fill` the place for a table's rows, in PostgreSQL's text format, and answers how many came. */
  async copyIn({ name, columns }: CopiedTable, fill: (rows: Writable) => Promise<void>): Promise<number> {
    const table = quoted(name);
    const { rows } = await this.client.query<{ is_forced: boolean }>('SELECT relforcerowsecurity AS is_forced FROM pg_class WHERE oid = $1::regclass', [table]);
    await this.client.query(`ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER USER`);
    const copy = this.client.query(copyFrom(`COPY ${table} (${columns.map(quoted).join(', ')}) FROM STDIN`));
    await fill(copy);
    await this.client.query(`ALTER TABLE ${table} ENABLE TRIGGER USER${rows[0]?.is_forced ? ', FORCE ROW LEVEL SECURITY' : ''}`);
    return copy.rowCount;
  }

  /** So that no row has to be moved when it is there. */
  async openMonths(months: Readonly<Record<string, readonly string[]>>): Promise<void> {
    const ask = async <Row extends Record<string, unknown>>(sql: string, values?: unknown[]): Promise<Row[]> => (await this.client.query(sql, values)).rows as Row[];
    for (const family of FAMILY_NAMES) for (const month of months[family] ?? []) await openMonth(ask, family, month);
  }

  async setSequence({ name, lastValue, isCalled }: CopiedSequence): Promise<void> {
    await this.client.query('SELECT setval($1::regclass, $2::bigint, $3)', [`public.${quoted(name)}`, lastValue, isCalled]);
  }

  /** For the queue, whose entries are put in again in the same transaction. */
  async query(sql: string, values?: unknown[]): Promise<{ rows: unknown[] }> {
    await this.client.query('SET LOCAL ROLE morag_system');
    const answer = await this.client.query(sql, values);
    await this.client.query('SET LOCAL ROLE morag_owner');
    return answer;
  }
}
