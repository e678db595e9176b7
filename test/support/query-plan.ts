import type pg from 'pg';
import type { Recorded } from './statement-recorder.js';

/** What a plan does with one table of ours. */
export interface TableAccess {
  table: string;
  /** The month of the table, where it is divided. */
  part?: string;
  /** Such as `Index Scan`. */
  by: string;
  /** Of the table; each of its months has one of a name of its own. */
  index?: string;
  condition?: string;
  /** Looked at, whether they were of use or not; 0 where the statement was only planned. */
  rows: number;
}

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  Schema?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: Node[];
}

/** Of each part of a table and of each part of an index what it is a part of. */
type Wholes = ReadonlyMap<string, string>;

const known = new WeakMap<pg.Client, Wholes>();

async function wholes(login: pg.Client): Promise<Wholes> {
  const before = known.get(login);
  if (before) return before;
  const { rows } = await login.query<{ part: string; whole: string }>(
    `SELECT c.relname AS part, p.relname AS whole FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent WHERE c.relnamespace = 'partitions'::regnamespace`,
  );
  const found = new Map(rows.map(({ part, whole }) => [part, whole]));
  known.set(login, found);
  return found;
}

function accessesOf(node: Node, of: Wholes, ofTable?: string): TableAccess[] {
  const scanned = node['Relation Name'] ?? ofTable;
  const below = (node.Plans ?? []).flatMap((child) => accessesOf(child, of, node['Node Type'].startsWith('Bitmap') ? scanned : undefined));
  if (!scanned || !node['Node Type'].endsWith('Scan') || (node.Schema !== undefined && !['public', 'partitions'].includes(node.Schema))) return below;
  const each = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  // A bitmap's rows are counted where they are fetched.
  const rows = node['Node Type'] === 'Bitmap Index Scan' ? 0 : Math.round(each * (node['Actual Loops'] ?? 0));
  const index = node['Index Name'];
  const whole = of.get(scanned);
  const table = whole === undefined ? { table: scanned } : { table: whole, part: scanned };
  return [{ ...table, by: node['Node Type'], index: index === undefined ? undefined : (of.get(index) ?? index), condition: node['Index Cond'], rows }, ...below];
}

/** Plans a statement as the server's own transaction would have it planned, and runs it unless it writes. */
export async function explain(login: pg.Client, { sql, values, role, tenantId }: Recorded): Promise<TableAccess[]> {
  await login.query('BEGIN');
  try {
    await login.query(`SELECT set_config('role', $1, true), set_config('app.tenant_id', $2, true)`, [role, tenantId]);
    const options = /^\s*SELECT\b/i.test(sql) && !/FOR (?:NO KEY )?UPDATE/.test(sql) ? 'ANALYZE, TIMING OFF, ' : '';
    const { rows } = await login.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(`EXPLAIN (${options}VERBOSE, FORMAT JSON) ${sql}`, values);
    return accessesOf(rows[0]!['QUERY PLAN'][0].Plan, await wholes(login));
  } finally {
    await login.query('ROLLBACK');
  }
}
