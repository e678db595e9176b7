import type { QueryRunner } from 'typeorm';

/** A table that grows with time. */
export interface GrowingTable {
  name: string;
  /** By which it is divided. */
  column: string;
  /** Where the column has to be added to it, or taken away again. */
  primaryKey?: string;
  /** An index that was there for what goes by dropping a month, and goes or comes back with it. */
  indexOfAge?: { name: string; column: string };
  protect: (runner: QueryRunner, table: string) => Promise<void>;
}

/** What `LIKE` leaves out, as the catalogue words it. */
interface Definitions {
  name: string;
  columns: string;
  constraints: { name: string; type: 'p' | 'f'; definition: string; target: string }[];
  indexes: string[];
  triggers: string[];
  comment: string | null;
  sequences: { column: string; name: string }[];
}

const list = async (runner: QueryRunner, sql: string, table: string): Promise<string[]> => ((await runner.query(sql, [table])) as { it: string }[]).map(({ it }) => it);

async function definitionsOf(runner: QueryRunner, name: string): Promise<Definitions> {
  const [row] = (await runner.query(
    `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FILTER (WHERE attgenerated = '') AS columns, obj_description($1::text::regclass, 'pg_class') AS comment,
            COALESCE(json_agg(json_build_object('column', attname, 'name', pg_get_serial_sequence($1::text, attname::text)::regclass)) FILTER (WHERE attidentity <> ''), '[]') AS sequences
       FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped`,
    [name],
  )) as Pick<Definitions, 'columns' | 'comment' | 'sequences'>[];
  return {
    name,
    ...row!,
    constraints: await runner.query(
      `SELECT conname AS name, contype AS type, pg_get_constraintdef(oid) AS definition, confrelid::regclass::text AS target FROM pg_constraint
        WHERE conrelid = $1::regclass AND contype IN ('p', 'f') AND conparentid = 0 ORDER BY conname`,
      [name],
    ),
    indexes: await list(runner, `SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') AS it FROM pg_index WHERE indrelid = $1::regclass AND NOT indisprimary ORDER BY indexrelid`, name),
    triggers: await list(runner, `SELECT pg_get_triggerdef(oid) AS it FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgparentid = 0 ORDER BY tgname`, name),
  };
}

/**
 * Makes tables anew that refer to each other, those that are referred to first, divided by month or whole, under their names and with all they had,
 * and copies what is in them. Indexes are made afterwards, all at once, and references are checked then: in a third of the time.
 */
async function rebuild(runner: QueryRunner, family: readonly GrowingTable[], create: (table: GrowingTable) => Promise<void>, prepare: () => Promise<void>): Promise<void> {
  const before: Definitions[] = [];
  for (const { name } of family) before.push(await definitionsOf(runner, name));
  for (const { name } of family) {
    // Its owner is bound by its policies, too, and would copy nothing.
    await runner.query(`ALTER TABLE ${name} NO FORCE ROW LEVEL SECURITY`);
    await runner.query(`ALTER TABLE ${name} RENAME TO ${name}_before`);
  }
  for (const table of family) await create(table);
  await prepare();
  for (const { name, columns } of before) await runner.query(`INSERT INTO ${name} (${columns}) SELECT ${columns} FROM ${name}_before`);
  for (const definitions of before.toReversed()) await letGo(runner, definitions);
  for (const [at, definitions] of before.entries()) await complete(runner, family[at]!, definitions);
}

/** And with it go the names that its successor takes. */
async function letGo(runner: QueryRunner, { name, sequences }: Definitions): Promise<void> {
  const states: { last: string; called: boolean }[] = [];
  for (const sequence of sequences) states.push(...((await runner.query(`SELECT last_value::text AS last, is_called AS called FROM ${sequence.name}`)) as typeof states));
  await runner.query(`DROP TABLE ${name}_before`);
  for (const [at, sequence] of sequences.entries()) {
    await runner.query(`DO $$ BEGIN EXECUTE format('ALTER SEQUENCE %s RENAME TO ${sequence.name}', pg_get_serial_sequence('${name}', '${sequence.column}')); END $$`);
    await runner.query('SELECT setval($1::regclass, $2::bigint, $3)', [sequence.name, states[at]!.last, states[at]!.called]);
  }
}

async function complete(runner: QueryRunner, { name, primaryKey, indexOfAge, protect }: GrowingTable, { constraints, indexes, triggers, comment }: Definitions): Promise<void> {
  for (const constraint of constraints.filter(({ type }) => type === 'p')) {
    await runner.query(`ALTER TABLE ${name} ADD CONSTRAINT ${constraint.name} ${primaryKey === undefined ? constraint.definition : `PRIMARY KEY ${primaryKey}`}`);
  }
  for (const index of indexes) if (!indexOfAge || !index.startsWith(`CREATE INDEX ${indexOfAge.name} `)) await runner.query(index);
  for (const constraint of constraints.filter(({ type }) => type === 'f')) {
    // Or the check would find nothing that is referred to.
    await runner.query(`ALTER TABLE ${constraint.target} NO FORCE ROW LEVEL SECURITY`);
    await runner.query(`ALTER TABLE ${name} ADD CONSTRAINT ${constraint.name} ${constraint.definition}`);
    await runner.query(`ALTER TABLE ${constraint.target} FORCE ROW LEVEL SECURITY`);
  }
  for (const trigger of triggers) await runner.query(trigger);
  if (comment !== null) await runner.query(`COMMENT ON TABLE ${name} IS '${comment.replaceAll(`'`, `''`)}'`);
  await protect(runner, name);
}

const ALL_OF_IT = 'INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING IDENTITY INCLUDING COMMENTS';

/** @param ahead how many months there are to be beside this one and those of which there are rows */
export async function divideByMonth(runner: QueryRunner, family: readonly GrowingTable[], ahead: number): Promise<void> {
  const divide = async ({ name, column }: GrowingTable): Promise<void> => {
    await runner.query(`CREATE TABLE ${name} (LIKE ${name}_before ${ALL_OF_IT}) PARTITION BY RANGE (${column})`);
    await runner.query(`CREATE TABLE partitions.${name}_default PARTITION OF ${name} DEFAULT`);
    await runner.query(`ALTER TABLE partitions.${name}_default ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`);
    await runner.query(`CREATE POLICY upkeep ON partitions.${name}_default TO morag_owner USING (true) WITH CHECK (true)`);
  };
  const names = family.map(({ name }) => name);
  await rebuild(runner, family, divide, async () => {
    const [first] = family;
    const time = first!.column === 'id' ? `to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)` : `${first!.column}::timestamptz`;
    const months = (await runner.query(
      `SELECT month::date::text AS month FROM (
         SELECT DISTINCT date_trunc('month', ${time} AT TIME ZONE 'UTC') AS month FROM ${first!.name}_before WHERE ${time} BETWEEN '2020-01-01' AND now()
         UNION SELECT date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead) FROM generate_series(0, $1::int) ahead) AS wanted ORDER BY 1`,
      [ahead],
    )) as { month: string }[];
    for (const { month } of months) await runner.query('SELECT open_month($1, $2)', [names, month]);
  });
}

export async function makeWhole(runner: QueryRunner, family: readonly GrowingTable[]): Promise<void> {
  await rebuild(runner, family, ({ name }) => runner.query(`CREATE TABLE ${name} (LIKE ${name}_before ${ALL_OF_IT})`), () => Promise.resolve());
  for (const { name, indexOfAge } of family) if (indexOfAge) await runner.query(`CREATE INDEX ${indexOfAge.name} ON ${name} (${indexOfAge.column})`);
}
