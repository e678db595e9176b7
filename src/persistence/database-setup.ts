import pg from 'pg';
import { DataSource } from 'typeorm';
import { errorCode, errorMessage } from '../common/error-code.js';
import { StartupError } from '../config/env.js';
import { migrationOptions } from './data-source.js';
import { MIGRATIONS } from './migrations/index.js';
import { openMonths } from './months.js';

/** Fixes to the planner and to row level security that isolation relies on. */
const OLDEST_SAFE_MINOR: Readonly<Record<number, number>> = { 15: 14, 16: 10, 17: 6 };
const ROLES = ['morag_owner', 'morag_app', 'morag_system'] as const;
/** Any constant will do, as long as every process that migrates uses the same. */
const MIGRATION_LOCK = 7_120_321_604_511;

interface LoginRole {
  name: string;
  version: number;
  superuser: boolean;
  bypassesRls: boolean;
  inherits: boolean;
}

async function describeLogin(client: pg.Client): Promise<LoginRole> {
  const { rows } = await client.query<LoginRole>(
    `SELECT rolname AS name, current_setting('server_version_num')::int AS version, rolsuper AS superuser,
            rolbypassrls AS "bypassesRls", rolinherit AS inherits FROM pg_roles WHERE rolname = current_user`,
  );
  return rows[0]!;
}

function refuseOldServer(version: number): void {
  const major = Math.floor(version / 10_000);
  const oldest = OLDEST_SAFE_MINOR[major];
  if (major < 15 || (oldest !== undefined && version % 10_000 < oldest)) {
    throw new StartupError(`PostgreSQL ${major}.${version % 10_000} is too old: use at least 15.14, 16.10, 17.6 or 18.`);
  }
}

/** Makes the three roles of the house and lets the login role become each, without inheriting any right from them. */
async function ensureRoles(client: pg.Client, login: LoginRole): Promise<void> {
  for (const role of ROLES) {
    // Roles belong to the whole server: another database's process may be making them at this moment.
    await client.query(`DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${role}') THEN CREATE ROLE ${role} NOLOGIN NOINHERIT; END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`);
    const privilege = login.version >= 160_000 ? 'SET' : 'MEMBER';
    const { rows } = await client.query<{ held: boolean }>('SELECT pg_has_role(current_user, $1, $2) AS held', [role, privilege]);
    if (!rows[0]?.held) {
      await client.query(`GRANT ${role} TO CURRENT_USER${login.version >= 160_000 ? ' WITH INHERIT FALSE, SET TRUE' : ''}`);
    }
  }
  if (login.version < 160_000 && login.inherits && !login.superuser) await client.query('ALTER ROLE CURRENT_USER NOINHERIT');
}

async function openSchema(client: pg.Client): Promise<void> {
  await client.query(`DO $$ BEGIN
    EXECUTE format('GRANT CREATE, CONNECT ON DATABASE %I TO morag_owner', current_database());
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  END $$`);
  await client.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
  await client.query('GRANT USAGE, CREATE ON SCHEMA public TO morag_owner');
  await client.query('GRANT USAGE ON SCHEMA public TO morag_app, morag_system');
}

function explain(error: unknown, login: string): unknown {
  if (errorCode(error) !== '42501') return error;
  return new StartupError(
    `DATABASE_URL logs in as "${login}", which may not prepare the database (${errorMessage(error)}). ` +
      `Let it own the database and create roles: ALTER DATABASE … OWNER TO ${login}; ALTER ROLE ${login} CREATEROLE NOINHERIT;`,
  );
}

export interface SetupOptions {
  /** Refuse a login that no policy binds, instead of warning about it. */
  production: boolean;
  warn(message: string): void;
  /** How many of the migrations; all of them when left out. A restore stops where its backup was made. */
  migrations?: number;
}

function judge(login: LoginRole, options: SetupOptions): void {
  refuseOldServer(login.version);
  if (!login.superuser && !login.bypassesRls) return;
  const warning = `DATABASE_URL logs in as "${login.name}", which no row level security binds. Use a role that is neither superuser nor BYPASSRLS.`;
  if (options.production) throw new StartupError(warning);
  options.warn(warning);
}

export interface ClientOptions {
  /** As libpq has them, such as `-c role=…`. */
  options?: string;
  /** What the address was read from, for whoever has to correct it. */
  variable?: 'DATABASE_URL' | 'DATABASE_DIRECT_URL';
}

/** @throws StartupError, with its cause, when there is no way in */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>, { options, variable = 'DATABASE_URL' }: ClientOptions = {}): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'morag-setup', connectionTimeoutMillis: 5000, ...(options === undefined ? {} : { options }) });
  await connectOrExplain(client, url, variable);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** What `setUpDatabase` asks of server and login, of one that changes nothing. @throws StartupError */
export function requireSafeLogin(url: string, options: SetupOptions): Promise<void> {
  return withClient(url, async (client) => judge(await describeLogin(client), options));
}

/** What this version needs and the database has not, in words; null when it has everything. What a newer version added is no hindrance. */
export function whatSchemaLacks(url: string): Promise<string | null> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ exists: boolean }>(`SELECT to_regclass('public.migrations') IS NOT NULL AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'morag_system') AS exists`);
    if (!rows[0]!.exists) return 'it is empty';
    try {
      await client.query('SET ROLE morag_system');
      const done = new Set((await client.query<{ name: string }>('SELECT name FROM public.migrations')).rows.map(({ name }) => name));
      const missing = MIGRATIONS.filter(({ name }) => !done.has(name));
      return missing.length === 0 ? null : `${missing.length} migrations are missing`;
    } catch (error) {
      // Migrating lets morag_system see what was migrated, from this version on.
      if (errorCode(error) === '42501') return `this login may not see what was migrated: ${errorMessage(error)}`;
      throw error;
    }
  });
}

/**
 * Brings roles and schema up to date; safe to run in several processes at once.
 * @throws StartupError when the server is too old, the schema is too new or the login role may not do it
 */
export async function setUpDatabase(url: string, options: SetupOptions): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const login = await describeLogin(client);
    judge(login, options);
    try {
      await ensureRoles(client, login);
      await openSchema(client);
    } catch (error) {
      throw explain(error, login.name);
    }
    await migrate(url, options);
  });
}

async function connectOrExplain(client: pg.Client, url: string, variable: string): Promise<void> {
  try {
    await client.connect();
  } catch (error) {
    const { host, pathname } = new URL(url);
    const reason = errorMessage(error) || errorCode(error);
    throw new StartupError(`The database${pathname.replace('/', ' ')} at ${host} cannot be reached (${reason}). Check ${variable}.`, { cause: error });
  }
}

async function migrate(url: string, options: SetupOptions): Promise<void> {
  const migrations = options.migrations ?? MIGRATIONS.length;
  const dataSource = new DataSource({ ...migrationOptions(url), migrations: MIGRATIONS.slice(0, migrations) });
  await dataSource.initialize();
  try {
    await refuseNewerSchema(dataSource);
    await dataSource.runMigrations();
    // For servers that do not migrate, and ask whether somebody has.
    await dataSource.query('GRANT SELECT ON migrations TO morag_system');
    if (migrations === MIGRATIONS.length) await openComingMonths(dataSource, options);
  } finally {
    await dataSource.destroy();
  }
}

/** For a server that starts after a long time; by night the workers see to it. Where somebody is in the way they do it, too. */
async function openComingMonths(dataSource: DataSource, options: SetupOptions): Promise<void> {
  try {
    await openMonths((sql, values) => dataSource.query(sql, values));
  } catch (error) {
    if (errorCode(error) !== '55P03') throw error;
    options.warn('The tables of the coming months could not be made now, because somebody uses the database: the workers will make them by night.');
  }
}

/** An older server would go on as if nothing were, and break what it does not know. */
async function refuseNewerSchema(dataSource: DataSource): Promise<void> {
  const [found] = await dataSource.query<{ is_there: boolean }[]>(`SELECT to_regclass('public.migrations') IS NOT NULL AS is_there`);
  if (!found?.is_there) return;
  const known = MIGRATIONS.map(({ name }) => name);
  const newer = await dataSource.query<{ name: string }[]>('SELECT name FROM migrations WHERE name <> ALL ($1) ORDER BY id LIMIT 1', [known]);
  if (newer.length === 0) return;
  throw new StartupError(`The database was last used by a newer version (this one does not know its migration ${newer[0]!.name}). Run that version, or restore a backup from before the upgrade.`);
}
