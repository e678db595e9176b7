import type pg from 'pg';
import type { Recorded } from './statement-recorder.js';

/** What a plan does with one table of ours. */
export interface TableAccess {
  table: string;
  /** Such as `Index Scan`. */
  by: string;
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

function accessesOf(node: Node, ofTable?: string): TableAccess[] {
  const table = node['Relation Name'] ?? ofTable;
  const below = (node.Plans ?? []).flatMap((child) => accessesOf(child, node['Node Type'].startsWith('Bitmap') ? table : undefined));
  if (!table || !node['Node Type'].endsWith('Scan') || (node.Schema !== undefined && node.Schema !== 'public')) return below;
  const each = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  // A bitmap's rows are counted where they are fetched.
  const rows = node['Node Type'] === 'Bitmap Index Scan' ? 0 : Math.round(each * (node['Actual Loops'] ?? 0));
  return [{ table, by: node['Node Type'], index: node['Index Name'], condition: node['Index Cond'], rows }, ...below];
}

/** Plans a statement as the server's own transaction would have it planned, and runs it unless it writes. */
export async function explain(login: pg.Client, { sql, values, role, tenantId }: Recorded): Promise<TableAccess[]> {
  await login.query('BEGIN');
  try {
    await login.query(`SELECT set_config('role', $1, true), set_config('app.tenant_id', $2, true)`, [role, tenantId]);
    const options = /^\s*SELECT\b/i.test(sql) && !/FOR (?:NO KEY )?UPDATE/.test(sql) ? 'ANALYZE, TIMING OFF, ' : '';
    const { rows } = await login.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(`EXPLAIN (${options}VERBOSE, FORMAT JSON) ${sql}`, values);
    return accessesOf(rows[0]!['QUERY PLAN'][0].Plan);
  } finally {
    await login.query('ROLLBACK');
  }
}
