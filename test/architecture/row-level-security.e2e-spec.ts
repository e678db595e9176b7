import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { migrationOptions } from '../../src/persistence/data-source.js';
import { MIGRATIONS } from '../../src/persistence/migrations/index.js';
import { createKey, createTenant, eventually, waitForTask, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';
import { TestDatabase } from '../support/test-database.js';

/** Tables of the whole installation: the application may use them in a system transaction only, in which no tenant's request runs. */
const SYSTEM_TABLES = ['login_attempts', 'usage_flushes', 'reconciliations'];
/** Tables of the schema that the application does not use at all. */
const TENANTLESS = ['migrations', ...SYSTEM_TABLES];

/** What the application may read and not write: functions of the owner's do that, who is let in for it. */
const READ_ONLY = ['audit_checkpoints', 'audit_entries', 'audit_heads', 'audit_links'];
/** Functions that run as the owner, of the audit and of the months; test/audit/chain.e2e-spec.ts tries what they refuse. */
const AS_OWNER = ['audit_change', 'audit_keep_head', 'audit_link', 'drop_audit_month', 'drop_month', 'erase_audit_details', 'list_strays', 'open_month', 'record_denials'];

/** Indexes that do not begin with the tenant, each with the reason why that betrays nothing. */
const INDEXES_ACROSS_TENANTS: Record<string, string> = {
  tenants_pkey: 'the tenant itself',
  users_email: 'an address is registered once in the whole installation, and registering says so to anybody',
  audit_entries_newest_first: 'for the administrator; not unique, so it refuses nothing',
  audit_entries_of_any_action: 'for the administrator; not unique, so it refuses nothing',
  audit_entries_by_request: 'the id of a request is made up by the server and tells of one tenant; not unique, so it refuses nothing',
  users_newest_first: 'for the administrator; not unique, so it refuses nothing',
  users_administrators: 'for the administrator; not unique, so it refuses nothing',
  jobs_newest_first: 'for the administrator; not unique, so it refuses nothing',
  jobs_by_status: 'for the administrator; not unique, so it refuses nothing',
  jobs_of_any_document: 'for the administrator, who names a document and not its tenant; not unique, so it refuses nothing',
  jobs_of_other_types: 'for the administrator; not unique, so it refuses nothing',
  refresh_tokens_hash: 'a token is looked up before its tenant is known; 190 random bits cannot be guessed',
  api_keys_hash: 'a key is looked up before its tenant is known; 190 random bits cannot be guessed',
  database_servers_to_check: 'servers whose health is due are asked for over all tenants, by the system alone; not unique, so it refuses nothing',
  usage_hourly_hour: 'hours that are long past are rolled up for all tenants, by the system alone',
  quota_history_hours: 'for the same roll-up',
  quota_history_days: 'and days that are longer past are pruned',
  idempotency_keys_created: 'keys that are a day old are removed for all tenants, by the system alone; not unique, so it refuses nothing',
  events_dispatched: 'so are events that were dispatched long ago',
  documents_deleted: 'for the administrator: what waits to be removed, of all tenants; not unique, so it refuses nothing',
  job_events_ended: 'events that are old are removed for all tenants, by the system alone; not unique, so it refuses nothing',
  jobs_by_end: 'for the administrator: jobs that are open or ended on the last day; not unique, so it refuses nothing',
};

interface TenantTable {
  name: string;
  /** `tenant_id`, or `id` of the table of tenants. */
  key: string;
  enabled: boolean;
  forced: boolean;
  /** Whether its rows lie in partitions, which are in a schema of their own. */
  divided: boolean;
}

const TENANT_TABLES = `
  SELECT c.relname AS name, a.attname AS key, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced, c.relkind = 'p' AS divided
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
     AND (a.attname = 'tenant_id' OR (c.relname = 'tenants' AND a.attname = 'id'))
   ORDER BY c.relname`;

describe('row level security', () => {
  let server: TestApp;
  let tables: TenantTable[];
  let login: pg.Client;
  let mine: Tenant;
  let theirs: Tenant;

  /** Something in every table. */
  async function settle(): Promise<Tenant> {
    const tenant = await createTenant(server.anonymous);
    // Nobody answers there.
    const webhook_url = 'http://127.0.0.1:9/';
    await tenant.client.post('/api/v1/webhooks', { url: webhook_url, events: ['api_key.*'] });
    await createKey(tenant.client, ['read']);
    const batch = await tenant.client.post('/api/v1/ingest/batch', { items: [{ title: 'A page', content: `Words of ${tenant.tenantId}.` }], webhook_url }, { 'idempotency-key': tenant.tenantId });
    expect(await waitForTask(tenant.client, batch.body.tasks[0].task_id)).toMatchObject({ status: 'completed' });
    // The database that everybody starts with is a tenth of what is allowed.
    await server.database.query(`UPDATE tenant_quotas SET warning_threshold = 1 WHERE tenant_id = $1 AND resource = 'databases'`, [tenant.tenantId]);
    // By themselves hours become days only weeks later.
    await server.database.query(`INSERT INTO usage_daily VALUES ($1, current_date - 40, $1, 'GET /', 2, 1, 1, 0, 0, '{1}')`, [tenant.tenantId]);
    // Only what a provider embeds, and takes many requests for, is kept on the way.
    await server.database.query(`INSERT INTO embedding_checkpoints SELECT tenant_id, id, 0, '\\x00', '\\x00' FROM documents WHERE tenant_id = $1`, [tenant.tenantId]);
    // And which documents a reindex has done only while it runs.
    const databases = await tenant.client.get('/api/v1/databases');
    const path = `/api/v1/databases/${databases.body.databases[0].id}/reindex`;
    await tenant.client.post(path, {});
    const reindex = await eventually(() => tenant.client.get(path), ({ body }) => body.status === 'FINISHED');
    await server.database.query(`INSERT INTO reindexed_documents SELECT tenant_id, $2, id, 1 FROM documents WHERE tenant_id = $1`, [tenant.tenantId, reindex.body.id]);
    // What was to be told is left alone from here on; of the two kinds of deliveries one refers to something.
    const tried = `SELECT FROM webhook_deliveries JOIN webhook_attempts a ON a.delivery_id = id WHERE webhook_deliveries.tenant_id = $1 AND leased_until IS NULL`;
    await eventually(() => server.database.query(tried, [tenant.tenantId]), ({ length }) => length >= 2);
    await server.database.query(`UPDATE webhook_deliveries SET due_at = 'infinity' WHERE tenant_id = $1`, [tenant.tenantId]);
    await server.database.query('DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id IS NULL', [tenant.tenantId]);
    // And the audit begins behind a checkpoint only when its first entries are old.
    await server.database.query(`INSERT INTO audit_checkpoints VALUES ($1, 0, '\\x00')`, [tenant.tenantId]);
    // And a counter has a history from the first hour on in which it changes again.
    await server.database.query(`INSERT INTO quota_history VALUES ($1, 'documents', date_trunc('hour', now()) - interval '1 hour', 0)`, [tenant.tenantId]);
    return tenant;
  }

  beforeAll(async () => {
    server = await TestApp.start({ OUTBOUND_ALLOW: '127.0.0.1:9' });
    [mine, theirs] = await Promise.all([settle(), settle()]);
    tables = await server.database.query<TenantTable>(TENANT_TABLES);
    login = new pg.Client({ connectionString: server.database.url });
    await login.connect();
  }, 60_000);
  afterAll(async () => {
    await login.end();
    await server.stop();
  });

  /** One transaction as the application opens it, always rolled back. */
  async function asTenant<T>(tenantId: string, work: () => Promise<T>, role = 'morag_app'): Promise<T> {
    await login.query('BEGIN');
    try {
      await login.query(`SELECT set_config('role', $1, true), set_config('app.tenant_id', $2, true)`, [role, tenantId]);
      return await work();
    } finally {
      await login.query('ROLLBACK');
    }
  }

  /** The SQLSTATE it fails with, or what it did instead. */
  async function refusal(sql: string, values: unknown[] = []): Promise<string> {
    await login.query('SAVEPOINT attempt');
    try {
      const { rowCount } = await login.query(sql, values);
      return `${rowCount} rows`;
    } catch (error) {
      return (error as pg.DatabaseError).code ?? String(error);
    } finally {
      await login.query('ROLLBACK TO attempt');
    }
  }

  async function eachTable<T>(look: (table: TenantTable) => Promise<T>): Promise<Record<string, T>> {
    const seen: Record<string, T> = {};
    for (const table of tables) seen[table.name] = await look(table);
    return seen;
  }

  async function inTurn<From, To>(all: readonly From[], work: (one: From) => Promise<To>): Promise<To[]> {
    const done: To[] = [];
    for (const one of all) done.push(await work(one));
    return done;
  }

  const everywhere = <T>(value: T): Record<string, T> => Object.fromEntries(tables.map(({ name }) => [name, value]));

  describe('as the catalogue has it', () => {
    it('knows every table of the schema as one of a tenant or as one of nobody', async () => {
      const all = await server.database.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'f')`);
      expect(all.map(({ name }) => name).toSorted()).toEqual([...tables.map(({ name }) => name), ...TENANTLESS].toSorted());
      expect(tables.length).toBeGreaterThan(8);
    });

    it('is enabled and forced on every tenant table', () => {
      expect(tables.filter(({ enabled, forced }) => !enabled || !forced)).toEqual([]);
    });

    it('lets the application at the rows of its tenant and the system at all, and nobody else in', async () => {
      const policies = await server.database.query<{ table: string; roles: string[]; kind: string; command: string; using: string; check: string }>(
        `SELECT tablename AS table, roles::text[] AS roles, permissive AS kind, cmd AS command, qual AS using, with_check AS check FROM pg_policies WHERE schemaname = 'public'`,
      );
      for (const { name, key } of tables) {
        const own = `(${key} = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)`;
        const of = policies.filter(({ table }) => table === name).toSorted((a, b) => (a.roles.join() < b.roles.join() ? -1 : 1));
        expect(of).toEqual([
          { table: name, roles: ['morag_app'], kind: 'PERMISSIVE', command: 'ALL', using: own, check: own },
          ...(READ_ONLY.includes(name) ? [{ table: name, roles: ['morag_owner'], kind: 'PERMISSIVE', command: 'ALL', using: 'true', check: 'true' }] : []),
          { table: name, roles: ['morag_system'], kind: 'PERMISSIVE', command: 'ALL', using: 'true', check: 'true' },
        ]);
      }
      for (const name of SYSTEM_TABLES) {
        expect(policies.filter(({ table }) => table === name)).toEqual([{ table: name, roles: ['morag_system'], kind: 'PERMISSIVE', command: 'ALL', using: 'true', check: 'true' }]);
      }
      expect(policies).toHaveLength(2 * tables.length + SYSTEM_TABLES.length + READ_ONLY.length);
    });

    it('keeps a tenant out of the tables of the whole installation', async () => {
      for (const name of SYSTEM_TABLES) {
        const [table] = await server.database.query(`SELECT relrowsecurity AS enabled, relforcerowsecurity AS forced FROM pg_class WHERE oid = $1::regclass`, [name]);
        expect(table).toEqual({ enabled: true, forced: true });
        expect(await asTenant(mine.tenantId, () => refusal(`SELECT FROM ${name}`))).toBe('42501');
      }
    });

    it('grants reading and writing rows to two roles, and nothing to anybody else', async () => {
      const grants = await server.database.query<{ object: string; grantee: string; privilege: string }>(
        `SELECT c.relname AS object, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee, a.privilege_type AS privilege
           FROM pg_class c CROSS JOIN aclexplode(c.relacl) a WHERE c.relnamespace = 'public'::regnamespace AND a.grantee <> c.relowner
         UNION ALL
         SELECT c.relname || '.' || t.attname, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type
           FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN aclexplode(t.attacl) a WHERE c.relnamespace = 'public'::regnamespace`,
      );
      expect([...new Set(grants.map(({ grantee }) => grantee))].toSorted()).toEqual(['morag_app', 'morag_system']);
      expect(grants.filter(({ privilege }) => !['SELECT', 'INSERT', 'UPDATE', 'DELETE'].includes(privilege))).toEqual([]);
      expect(grants.filter(({ object, privilege }) => READ_ONLY.includes(object) && privilege !== 'SELECT')).toEqual([]);
      const owners = await server.database.query<{ owner: string }>(`SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class WHERE relnamespace = 'public'::regnamespace`);
      expect(owners).toEqual([{ owner: 'morag_owner' }]);
      const defaults = await server.database.query(`SELECT 1 FROM pg_default_acl`);
      expect(defaults).toEqual([]);
    });

    it('lets nobody past a table into its months', async () => {
      const months = await server.database.query<{ name: string; parent: string; enabled: boolean; forced: boolean; acl: string | null; policies: string[] }>(
        `SELECT c.relname AS name, p.relname AS parent, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced, c.relacl::text AS acl,
                ARRAY(SELECT policyname || ' ' || roles::text FROM pg_policies WHERE schemaname = 'partitions' AND tablename = c.relname) AS policies
           FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent AND p.relnamespace = 'public'::regnamespace
          WHERE c.relnamespace = 'partitions'::regnamespace AND c.relkind NOT IN ('i', 't')`,
      );
      expect([...new Set(months.map(({ parent }) => parent))].toSorted()).toEqual(tables.filter(({ divided }) => divided).map(({ name }) => name));
      expect(months.filter(({ enabled, forced, acl, policies }) => !enabled || !forced || acl !== null || policies.join() !== 'upkeep {morag_owner}')).toEqual([]);
      const [{ usage }] = (await server.database.query<{ usage: string[] }>(`SELECT ARRAY(SELECT rolname::text FROM pg_roles WHERE NOT rolsuper AND rolname !~ '^pg_' AND has_schema_privilege(oid, 'partitions', 'USAGE')) AS usage`)) as [{ usage: string[] }];
      expect(usage).toEqual(['morag_owner']);
      for (const role of ['morag_app', 'morag_system']) {
        const tried = await asTenant(mine.tenantId, async () => [...new Set(await inTurn(months, ({ name }) => refusal(`SELECT FROM partitions.${name}`)))], role);
        expect([role, tried]).toEqual([role, ['42501']]);
      }
    });

    it('logs in as a role without any right of its own', async () => {
      const [role] = await server.database.query(
        `SELECT rolsuper, rolbypassrls, rolinherit, rolreplication FROM pg_roles WHERE rolname = 'morag'`,
      );
      expect(role).toEqual({ rolsuper: false, rolbypassrls: false, rolinherit: false, rolreplication: false });
      const groups = await server.database.query(`SELECT rolname, rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname LIKE 'morag\\_%' ORDER BY 1`);
      expect(groups).toEqual(['morag_app', 'morag_owner', 'morag_system'].map((rolname) => ({ rolname, rolsuper: false, rolbypassrls: false, rolcanlogin: false })));
      const memberships = await server.database.query<{ role: string; inherits: boolean }>(
        `SELECT roleid::regrole::text AS role, bool_or(inherit_option) AS inherits FROM pg_auth_members WHERE member = 'morag'::regrole GROUP BY 1`,
      );
      expect(memberships.filter(({ inherits }) => inherits)).toEqual([]);
      // Neither role may turn into the other or into the owner.
      expect(await server.database.query(`SELECT 1 FROM pg_auth_members WHERE member IN ('morag_app'::regrole, 'morag_system'::regrole)`)).toEqual([]);
    });

    it('has no view, and no function but those of the audit and of the months, that would look past the policies', async () => {
      expect(await server.database.query(`SELECT relname FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'pgboss'::regnamespace) AND relkind IN ('v', 'm')`)).toEqual([]);
      expect(await server.database.query(`SELECT proname FROM pg_proc WHERE pronamespace IN ('public'::regnamespace, 'pgboss'::regnamespace) AND prosecdef ORDER BY 1`)).toEqual(AS_OWNER.map((proname) => ({ proname })));
      const open = await server.database.query(`SELECT proname FROM pg_proc WHERE prosecdef AND prorettype <> 'trigger'::regtype AND has_function_privilege('morag_app', oid, 'EXECUTE')`);
      expect(open).toEqual([]);
    });

    it('takes the tenant into every foreign key, so that no row can hang on another tenant', async () => {
      const keys = await server.database.query<{ table: string; columns: string[]; target: string; targets: string[] }>(`
        SELECT k.conrelid::regclass::text AS table, k.confrelid::regclass::text AS target,
               ARRAY(SELECT attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, o) JOIN pg_attribute ON attrelid = k.conrelid AND attnum = n ORDER BY o) AS columns,
               ARRAY(SELECT attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, o) JOIN pg_attribute ON attrelid = k.confrelid AND attnum = n ORDER BY o) AS targets
          FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 AND k.connamespace = 'public'::regnamespace`);
      expect(keys.length).toBeGreaterThan(8);
      for (const key of keys) expect(key).toMatchObject({ columns: expect.arrayContaining(['tenant_id']), targets: expect.arrayContaining([key.target === 'tenants' ? 'id' : 'tenant_id']) });
      expect(keys.filter(({ columns, target, targets }) => targets[columns.indexOf('tenant_id')] !== (target === 'tenants' ? 'id' : 'tenant_id'))).toEqual([]);
    });

    it('begins every index with the tenant, but for those that must not', async () => {
      const indexes = await server.database.query<{ name: string; first: string | null }>(`
        SELECT i.indexrelid::regclass::text AS name, a.attname AS first FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
          LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> ALL ($1)`, [TENANTLESS]);
      const across = indexes.filter(({ first }) => first !== 'tenant_id').map(({ name }) => name);
      expect(across.toSorted()).toEqual(Object.keys(INDEXES_ACROSS_TENANTS).toSorted());
    });
  });

  describe('against somebody who tries', () => {
    /** As the superuser sees them. */
    const rowsOf = async ({ name, key }: TenantTable, tenantId: string): Promise<object[]> =>
      (await server.database.query<{ row: object }>(`SELECT to_jsonb(t) AS row FROM ${name} t WHERE ${key} = $1`, [tenantId])).map(({ row }) => row);

    it('has something to hide in every table', async () => {
      const empty = async (): Promise<string[]> => {
        const full = await eachTable(async (table) => (await rowsOf(table, mine.tenantId)).length > 0 && (await rowsOf(table, theirs.tenantId)).length > 0);
        return Object.keys(full).filter((name) => !full[name]);
      };
      // Some are written behind the requests, such as the sums of usage.
      await eventually(empty, (names) => names.length === 0, 10_000);
    });

    it('refuses the login role every table outside a transaction', async () => {
      const refused = await eachTable(({ name }) => login.query(`SELECT 1 FROM ${name}`).then(() => 'read', (error: pg.DatabaseError) => error.message));
      expect(refused).toEqual(Object.fromEntries(tables.map(({ name }) => [name, `permission denied for table ${name}`])));
    });

    it('shows no row at all without a tenant', async () => {
      const seen = await asTenant('', () => eachTable(async ({ name }) => (await login.query(`SELECT 1 FROM ${name}`)).rowCount));
      expect(seen).toEqual(everywhere(0));
    });

    it('shows a tenant its own rows only', async () => {
      const seen = await asTenant(mine.tenantId, () => eachTable(async ({ name, key }) => (await login.query<{ tenant: string }>(`SELECT DISTINCT ${key} AS tenant FROM ${name}`)).rows));
      expect(seen).toEqual(everywhere([{ tenant: mine.tenantId }]));
    });

    it('neither updates nor deletes a row of another tenant', async () => {
      const attempts = await asTenant(mine.tenantId, () =>
        eachTable(async ({ name, key }) => [
          await refusal(`UPDATE ${name} SET ${key} = ${key} WHERE ${key} = $1`, [theirs.tenantId]),
          await refusal(`DELETE FROM ${name} WHERE ${key} = $1`, [theirs.tenantId]),
        ]),
      );
      expect(attempts).toEqual(Object.fromEntries(tables.map(({ name }) => [name, READ_ONLY.includes(name) ? ['42501', '42501'] : ['0 rows', '0 rows']])));
    });

    it('neither inserts a row for another tenant nor gives its own away', async () => {
      const attempts: Record<string, string[]> = {};
      for (const table of tables) {
        const [row] = await rowsOf(table, theirs.tenantId);
        // All but what PostgreSQL makes itself.
        const [{ columns } = { columns: '' }] = await server.database.query<{ columns: string }>(`SELECT string_agg(attname, ', ') AS columns FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`, [table.name]);
        attempts[table.name] = await asTenant(mine.tenantId, async () => [
          await refusal(`INSERT INTO ${table.name} (${columns}) SELECT ${columns} FROM jsonb_populate_record(NULL::${table.name}, $1)`, [JSON.stringify(row)]),
          await refusal(`UPDATE ${table.name} SET ${table.key} = $2 WHERE ${table.key} = $1`, [mine.tenantId, theirs.tenantId]),
        ]);
      }
      expect(attempts).toEqual(everywhere(['42501', '42501']));
    });

    it('makes no row refer to something of another tenant', async () => {
      const references = await server.database.query<{ table: string; target: string; columns: string[]; targets: string[] }>(`
        SELECT k.conrelid::regclass::text AS table, k.confrelid::regclass::text AS target,
               ARRAY(SELECT attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, o) JOIN pg_attribute ON attrelid = k.conrelid AND attnum = n WHERE attname <> 'tenant_id' ORDER BY o) AS columns,
               ARRAY(SELECT attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, o) JOIN pg_attribute ON attrelid = k.confrelid AND attnum = n WHERE attname <> 'tenant_id' ORDER BY o) AS targets
          FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 AND k.connamespace = 'public'::regnamespace AND cardinality(k.conkey) > 1`);
      expect(references.length).toBeGreaterThan(5);
      for (const { table, target, columns, targets } of references) {
        const [parent] = await server.database.query<Record<string, unknown>>(`SELECT ${targets.join()} FROM ${target} WHERE tenant_id = $1`, [theirs.tenantId]);
        const [child] = await rowsOf(tables.find(({ name }) => name === table)!, mine.tenantId);
        const pointing = Object.fromEntries(columns.map((column, at) => [column, parent![targets[at]!]]));
        const attempt = await asTenant(mine.tenantId, async () => {
          const set = columns.map((column, at) => `${column} = $${at + 2}`).join();
          const updated = await refusal(`UPDATE ${table} SET ${set} WHERE tenant_id = $1`, [mine.tenantId, ...Object.values(pointing)]);
          await login.query(`DELETE FROM ${table} WHERE tenant_id = $1`, [mine.tenantId]).catch(() => undefined);
          return updated;
        });
        // A table others refer to refuses the delete above and ends the transaction; its insert has one of its own.
        const inserted = await asTenant(mine.tenantId, async () => {
          const copy = { ...child, ...('id' in child! ? { id: randomUUID() } : {}), ...('item_index' in child! ? { item_index: 1 } : {}), ...pointing };
          const unique = Object.fromEntries(Object.entries(copy).map(([column, value]) => [column, /^(?:name|email_key|content_checksum)$/.test(column) ? `x${randomUUID()}` : column.endsWith('_hash') && column !== 'password_hash' ? `\\x${randomUUID().replaceAll('-', '')}` : value]));
          return refusal(`INSERT INTO ${table} SELECT * FROM jsonb_populate_record(NULL::${table}, $1)`, [JSON.stringify(unique)]);
        });
        expect([table, target, attempt, inserted]).toEqual([table, target, '23503', '23503']);
      }
    });

    it('carries neither role nor tenant beyond the transaction', async () => {
      await login.query('BEGIN');
      await login.query(`SELECT set_config('role', 'morag_app', true), set_config('app.tenant_id', $1, true)`, [mine.tenantId]);
      expect((await login.query('SELECT 1 FROM documents')).rowCount).toBe(1);
      await login.query('COMMIT');
      const { rows } = await login.query(`SELECT current_user AS role, current_setting('app.tenant_id', true) AS tenant`);
      expect(rows).toEqual([{ role: 'morag', tenant: '' }]);
      await expect(login.query('SELECT 1 FROM documents')).rejects.toThrow('permission denied for table documents');
      expect((await asTenant('', () => login.query('SELECT 1 FROM documents'))).rowCount).toBe(0);
    });

    it.each(['x', '*', 'null', ' ', '{}', "' OR true --", '%', '0', 'ffffffff-ffff-ffff-ffff-ffffffffffff'])('takes %p for no tenant', async (tenantId) => {
      const seen = await asTenant(tenantId, () => eachTable(({ name }) => refusal(`SELECT FROM ${name}`)));
      for (const outcome of Object.values(seen)) expect(['22P02', '0 rows']).toContain(outcome);
    });

    it('shows nothing even to the owner of the tables, but for the audit, which it writes', async () => {
      const seen = await asTenant(mine.tenantId, () => eachTable(async ({ name }) => (await login.query(`SELECT FROM ${name} LIMIT 1`)).rowCount), 'morag_owner');
      expect(seen).toEqual(Object.fromEntries(tables.map(({ name }) => [name, READ_ONLY.includes(name) ? 1 : 0])));
    });

    it('does not let its policies be switched off for a statement', async () => {
      await asTenant(mine.tenantId, async () => {
        await login.query('SET LOCAL row_security = off');
        expect(await eachTable(({ name }) => refusal(`SELECT FROM ${name}`))).toEqual(everywhere('42501'));
      });
    });

    it('holds for statements that were prepared for another tenant', async () => {
      const read = async (): Promise<string[]> => (await login.query<{ tenant_id: string }>({ name: 'prepared', text: 'SELECT DISTINCT tenant_id FROM documents' })).rows.map(({ tenant_id }) => tenant_id);
      // More often than it takes PostgreSQL to settle on one plan for all.
      for (let round = 0; round < 8; round++) {
        expect(await asTenant(mine.tenantId, read)).toEqual([mine.tenantId]);
        expect(await asTenant(theirs.tenantId, read)).toEqual([theirs.tenantId]);
        expect(await asTenant('', read)).toEqual([]);
      }
      expect((await asTenant('', read, 'morag_system')).toSorted()).toEqual([mine.tenantId, theirs.tenantId].toSorted());
    });

    it('holds for COPY, in both directions', async () => {
      const look = () => asTenant(mine.tenantId, () => eachTable(({ name }) => refusal(`SELECT FROM ${name}`)));
      let [visible, copied]: unknown[] = [];
      // Again when what the server counted was written down in between.
      do {
        visible = await look();
        copied = await asTenant(mine.tenantId, () => eachTable(({ name, divided }) => refusal(`COPY ${divided ? `(SELECT * FROM ${name})` : name} TO STDOUT`)));
      } while (!isDeepStrictEqual(visible, await look()));
      expect(copied).toEqual(visible);
      const attempts = await asTenant(mine.tenantId, async () => [
        await refusal('COPY documents FROM STDIN'),
        await refusal(`COPY documents TO '/tmp/documents'`),
        await refusal(`COPY documents TO PROGRAM 'cat'`),
        await refusal('COPY pgboss.job_common TO STDOUT'),
      ]);
      expect(attempts).toEqual(['0A000', '42501', '42501', '42501']);
    });

    it('makes nobody of the application more than it is', async () => {
      for (const role of ['morag_app', 'morag_system']) {
        const attempts = await asTenant(
          mine.tenantId,
          async () => [
            await refusal('SET ROLE postgres'),
            await refusal('SET SESSION AUTHORIZATION postgres'),
            await refusal('CREATE ROLE mallory'),
            await refusal(`ALTER ROLE ${role} BYPASSRLS`),
            await refusal(`GRANT morag_owner TO ${role}`),
            await refusal('DROP POLICY tenant_isolation ON documents'),
            await refusal('CREATE POLICY mine ON documents TO PUBLIC USING (true)'),
            await refusal('CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$'),
            await refusal('CREATE SCHEMA mine'),
          ],
          role,
        );
        expect([role, attempts.filter((code) => code !== '42501')]).toEqual([role, []]);
      }
    });

    it('tells nothing of others by what PostgreSQL knows of its own work', async () => {
      await server.database.query('ANALYZE');
      const other = new pg.Client({ connectionString: server.database.url });
      await other.connect();
      try {
        await other.query(`SELECT 'a statement of somebody else'`);
        await asTenant(mine.tenantId, async () => {
          const statistics = await login.query('SELECT tablename, attname FROM pg_stats WHERE schemaname = ANY ($1)', [['public', 'pgboss', 'partitions']]);
          expect(statistics.rows.filter(({ tablename }) => tables.some(({ name }) => tablename.startsWith(name)))).toEqual([]);
          const activity = await login.query<{ query: string }>('SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
          expect(activity.rows.map(({ query }) => query).filter((query) => query !== '<insufficient privilege>')).toEqual([]);
        });
      } finally {
        await other.end();
      }
    });

    it('has no sequence whose numbers would tell how much others do, but for the clock of the queue, which it cannot move', async () => {
      const sequences = await server.database.query(`SELECT relname AS name, has_sequence_privilege('morag_app', oid, 'SELECT, USAGE') AS "isOpen" FROM pg_class WHERE relkind = 'S' AND relnamespace IN ('public'::regnamespace, 'pgboss'::regnamespace) ORDER BY 1`);
      // The order of events and deliveries stays inside: no answer has the number.
      // Where the queue is, a job has to know that takes its turn.
      expect(sequences).toEqual(['events_sequence_seq', 'job_turn', 'migrations_id_seq', 'webhook_deliveries_sequence_seq'].map((name) => ({ name, isOpen: name === 'job_turn' })));
      expect(await server.database.query(`SELECT has_sequence_privilege('morag_app', 'job_turn', 'USAGE, UPDATE') AS "canMove"`)).toEqual([{ canMove: false }]);
    });

    it('lets a tenant put in work of its own only, and see no other in the queue', async () => {
      const [waiting] = await server.database.query<{ name: string }>('SELECT name FROM pgboss.job WHERE group_id = $1', [theirs.tenantId]);
      const put = (group: string, tenantId: string, table = 'job'): Promise<string> => refusal(`INSERT INTO pgboss.${table} (name, data, group_id) VALUES ($1, $2, $3)`, [waiting!.name, JSON.stringify({ tenantId }), group]);
      const [own, ...foreign] = await asTenant(mine.tenantId, async () => [
        await put(mine.tenantId, mine.tenantId),
        await put(theirs.tenantId, theirs.tenantId),
        await put(mine.tenantId, theirs.tenantId),
        await put(theirs.tenantId, theirs.tenantId, 'job_common'),
      ]);
      expect([own, ...foreign]).toEqual(['1 rows', '42501', '42501', '42501']);
      const queues = await asTenant(mine.tenantId, async () => [
        await refusal(`SELECT pgboss.create_queue('mine', '{}')`),
        await refusal('SELECT pgboss.delete_queue($1)', [waiting!.name]),
        await refusal('UPDATE pgboss.queue SET policy = policy'),
        await refusal('SELECT queued_count FROM pgboss.queue'),
        await refusal('SELECT * FROM pgboss.queue_stats'),
      ]);
      expect(queues).toEqual(queues.map(() => '42501'));
      const ids = await server.database.query<{ id: string }>('SELECT id FROM pgboss.job WHERE group_id = $1', [mine.tenantId]);
      for (const table of ['job', 'job_common']) {
        const { rows } = await asTenant(mine.tenantId, () => login.query<{ id: string }>(`SELECT id FROM pgboss.${table}`));
        expect(rows.map(({ id }) => id).toSorted()).toEqual(ids.map(({ id }) => id).toSorted());
      }
    });

    it('lets no tenant truncate, alter or read what others put into the queue', async () => {
      const attempts = await asTenant(mine.tenantId, async () => [
        await refusal('TRUNCATE documents CASCADE'),
        await refusal('ALTER TABLE documents DISABLE ROW LEVEL SECURITY'),
        await refusal('CREATE TABLE public.mine (id int)'),
        await refusal('SELECT data FROM pgboss.job'),
        await refusal('SELECT data FROM pgboss.job_common'),
        await refusal('SELECT * FROM pgboss.job'),
        await refusal(`UPDATE pgboss.job SET priority = 1`),
        await refusal('DELETE FROM pgboss.job'),
        await refusal('SELECT pg_read_file($1)', ['/etc/passwd']),
      ]);
      expect(attempts).toEqual(attempts.map(() => '42501'));
      // Asked of the template, because a clone does not inherit what was revoked on the database itself.
      const [temporary] = await server.database.query(`SELECT has_database_privilege('morag_app', 'morag_template', 'TEMPORARY') AS granted`);
      expect(temporary).toEqual({ granted: false });
    });
  });
});

describe('migrations', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await TestDatabase.create();
  });
  afterAll(() => database.drop());

  /** Tables, columns, constraints, indexes, policies and grants as text. */
  async function schema(): Promise<unknown[]> {
    return database.query(`
      SELECT c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relacl::text, c.reloptions::text, obj_description(c.oid),
             (SELECT jsonb_agg(jsonb_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)) ORDER BY a.attnum)
                FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns,
             (SELECT jsonb_agg(pg_get_constraintdef(k.oid) ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid) AS constraints,
             (SELECT jsonb_agg(pg_get_indexdef(i.indexrelid) ORDER BY i.indexrelid::regclass::text) FROM pg_index i WHERE i.indrelid = c.oid) AS indexes,
             (SELECT jsonb_agg(jsonb_build_array(p.policyname, p.roles, p.qual, p.with_check) ORDER BY p.policyname) FROM pg_policies p WHERE p.tablename = c.relname) AS policies
        FROM pg_class c WHERE c.relnamespace IN ('public'::regnamespace, 'partitions'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'S') AND c.relname <> 'migrations' ORDER BY 1`);
  }

  it('go down to nothing and up again to the same schema', async () => {
    const before = await schema();
    expect(before.length).toBeGreaterThan(8);
    // Which a clone does not inherit, and every start grants.
    await database.query(`GRANT CREATE ON DATABASE ${database.name} TO morag_owner`);
    const dataSource = new DataSource(migrationOptions(database.url));
    await dataSource.initialize();
    try {
      for (const _ of MIGRATIONS) await dataSource.undoLastMigration();
      const left = await database.query<{ relname: string }>(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'migrations%' AND relname NOT LIKE 'PK%'`);
      expect(left).toEqual([]);
      expect(await database.query(`SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`)).toEqual([]);
      expect(await database.query(`SELECT FROM pg_namespace WHERE nspname = 'partitions'`)).toEqual([]);
      expect(await database.query(`SELECT 1 FROM migrations`)).toEqual([]);
      await dataSource.runMigrations();
    } finally {
      await dataSource.destroy();
    }
    expect(await schema()).toEqual(before);
  });
});
