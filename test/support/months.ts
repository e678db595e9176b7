import { openMonth, type Family } from '../../src/persistence/months.js';
import { insistOn } from './insisting.js';
import type { TestDatabase } from './test-database.js';

/** A UUIDv7 that was made at a time, which is SQL. */
export const idMadeAt = (time: string): string =>
  `(lpad(to_hex((extract(epoch FROM ${time}) * 1000)::bigint), 12, '0') || '7' || right(replace(gen_random_uuid()::text, '-', ''), 19))::uuid`;

/** Such as `2026_11`, the oldest first. */
export async function monthsOf(database: TestDatabase, table: string): Promise<string[]> {
  const rows = await database.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'partitions'::regnamespace AND relname ~ ('^' || $1 || '_\\d{4}_\\d\\d$') ORDER BY 1`, [table]);
  return rows.map(({ name }) => name.slice(-7));
}

/** A plan without what it does with months that lie on a few pages: those are read from one end to the other, and rightly so. */
export async function withoutSmallMonths(database: TestDatabase, plan: string): Promise<string> {
  const rows = await database.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'partitions'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) < 16 * 8192`);
  return plan.split('\n').filter((line) => !rows.some(({ name }) => line.includes(` on ${name} `))).join('\n');
}

/** So many before the present one, as an installation has them that is as old. */
export async function openPastMonths(database: TestDatabase, family: Family, count: number): Promise<void> {
  const rows = await database.query<{ month: string }>(`SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => ago))::date::text AS month FROM generate_series(1, $1::int) ago`, [count]);
  for (const { month } of rows) await insistOn(() => openMonth((sql, values) => database.query(sql, values), family, month));
}
