import { TestDatabase } from '../support/test-database.js';

/** What is unique among all tenants, so that a table spread over several databases could not see to it; docs/scale-plan.md says what serves instead. */
const UNIQUE_ACROSS_TENANTS: Record<string, string> = {
  users_email: 'an address is registered once in the whole installation: whoever signs in says no tenant',
  api_keys_hash: 'a key is looked up by its hash alone; that no two are the same is sure by its 190 random bits already',
  refresh_tokens_hash: 'and so is a refresh token',
};

/** Tables of no tenant: one copy of them is enough, wherever it is. */
const OF_NOBODY = ['login_attempts', 'migrations', 'reconciliations', 'usage_flushes'];

interface Key {
  name: string;
  table: string;
  isPrimary: boolean;
  columns: string[];
}

interface Reference {
  name: string;
  table: string;
  target: string;
  columns: string[];
  targets: string[];
}

describe('the schema, for a database that is spread by tenant,', () => {
  let database: TestDatabase;
  /** The column that says whose a row is. */
  let tenantColumns: Map<string, string>;

  beforeAll(async () => {
    database = await TestDatabase.create();
    const columns = await database.query<{ table: string; column: string }>(`
      SELECT c.relname AS table, a.attname AS column FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND (a.attname = 'tenant_id' OR (c.relname = 'tenants' AND a.attname = 'id'))`);
    tenantColumns = new Map(columns.map(({ table, column }) => [table, column]));
  });
  afterAll(() => database.drop());

  /** Unique indexes, those of constraints and others. */
  function keys(): Promise<Key[]> {
    return database.query<Key>(`
      SELECT i.indexrelid::regclass::text AS name, c.relname AS table, i.indisprimary AS "isPrimary",
             ARRAY(SELECT COALESCE(a.attname::text, '(an expression)') FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (n, o)
                     LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n WHERE k.o <= i.indnkeyatts ORDER BY k.o) AS columns
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
       WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique AND NOT c.relispartition ORDER BY 1`);
  }

  it('knows every table as one of tenants or one of nobody', async () => {
    const all = await database.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'f') AND NOT relispartition ORDER BY 1`);
    expect(all.map(({ name }) => name)).toEqual([...tenantColumns.keys(), ...OF_NOBODY].toSorted());
    expect(tenantColumns.size).toBeGreaterThan(25);
  });

  it('begins every primary key with the tenant', async () => {
    const primary = new Map((await keys()).filter(({ isPrimary }) => isPrimary).map((key) => [key.table, key]));
    expect([...tenantColumns].filter(([table, column]) => primary.get(table)?.columns[0] !== column)).toEqual([]);
  });

  it('has the tenant in everything that is unique, but for what is listed here', async () => {
    const across = (await keys()).filter(({ table, columns }) => tenantColumns.has(table) && columns[0] !== tenantColumns.get(table));
    expect(across.map(({ name }) => name)).toEqual(Object.keys(UNIQUE_ACROSS_TENANTS).toSorted());
  });

  it('refers from one tenant’s row to the same tenant’s only: the tenant is in every foreign key, against the tenant there', async () => {
    const references = await database.query<Reference>(`
      SELECT k.conname AS name, k.conrelid::regclass::text AS table, k.confrelid::regclass::text AS target,
             ARRAY(SELECT attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (n, o) JOIN pg_attribute ON attrelid = k.conrelid AND attnum = n ORDER BY o) AS columns,
             ARRAY(SELECT attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (n, o) JOIN pg_attribute ON attrelid = k.confrelid AND attnum = n ORDER BY o) AS targets
        FROM pg_constraint k WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND k.conparentid = 0`);
    expect(references.length).toBeGreaterThan(20);
    const crossing = references.filter(({ table, target, columns, targets }) => {
      const at = columns.indexOf(tenantColumns.get(table) ?? '');
      return at < 0 || targets[at] !== tenantColumns.get(target);
    });
    expect(crossing).toEqual([]);
  });

  it('lets no row say by itself whose it is: whoever writes one names the tenant, as a router has to know', async () => {
    const assumed = await database.query<{ table: string; column: string }>(`
      SELECT c.relname AS table, a.attname AS column FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND (a.attname = 'tenant_id' OR (c.relname = 'tenants' AND a.attname = 'id'))
         AND (a.atthasdef OR NOT a.attnotnull OR a.atttypid <> 'uuid'::regtype)`);
    expect(assumed).toEqual([]);
  });
});
