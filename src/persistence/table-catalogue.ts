import type pg from 'pg';

/** A table as it is copied: by its name, and by the columns whose values are not worked out from others. */
export interface CopiedTable {
  name: string;
  columns: string[];
}

interface TableRow extends CopiedTable {
  refersTo: string[];
  isWholeForSystem: boolean;
}

/** Which the migrations write themselves. */
const MIGRATIONS_TABLE = 'migrations';

/** A policy that hides rows from `morag_system` would make a backup that lacks them, and says nothing. */
const TABLES = `
  SELECT t.relname AS name,
         ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum) AS columns,
         ARRAY(SELECT r.relname::text FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid WHERE c.conrelid = t.oid AND c.contype = 'f' AND c.conparentid = 0 AND r.oid <> t.oid) AS "refersTo",
         has_table_privilege('morag_system', t.oid, 'SELECT')
           AND (NOT t.relrowsecurity OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND p.polpermissive AND 'morag_system'::regrole = ANY (p.polroles)
                                                  AND p.polcmd IN ('*', 'r') AND pg_get_expr(p.polqual, p.polrelid) = 'true'))
           AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND NOT p.polpermissive) AS "isWholeForSystem"
    FROM pg_class t
   WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition AND t.relname <> '${MIGRATIONS_TABLE}'
   ORDER BY t.relname`;

/**
 * Every table of the house from the catalogue, so that none added later is forgotten; each after those that it refers to.
 * @throws Error naming a table of which `morag_system` does not see every row
 */
export async function listTables(client: pg.ClientBase): Promise<CopiedTable[]> {
  const { rows } = await client.query<TableRow>(TABLES);
  const hidden = rows.find((table) => !table.isWholeForSystem);
  if (hidden) throw new Error(`morag_system may not read every row of the table ${hidden.name}`);
  const ordered: CopiedTable[] = [];
  const done = new Set<string>();
  while (ordered.length < rows.length) {
    const next = rows.filter(({ name, refersTo }) => !done.has(name) && refersTo.every((other) => done.has(other)));
    if (next.length === 0) throw new Error(`tables refer to each other in a circle: ${rows.filter(({ name }) => !done.has(name)).map(({ name }) => name).join(', ')}`);
    for (const { name, columns } of next) {
      ordered.push({ name, columns });
      done.add(name);
    }
  }
  return ordered;
}

/** The names of the migrations that have run, in their order; none where there is no schema yet. Read as the owner, whose table it is. */
export async function listMigrations(client: pg.ClientBase): Promise<string[]> {
  const { rows: found } = await client.query<{ is_there: boolean }>(`SELECT to_regclass('public.${MIGRATIONS_TABLE}') IS NOT NULL AS is_there`);
  if (!found[0]?.is_there) return [];
  const { rows } = await client.query<{ name: string }>(`SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY id`);
  return rows.map(({ name }) => name);
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
