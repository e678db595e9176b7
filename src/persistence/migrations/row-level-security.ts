import type { QueryRunner } from 'typeorm';

/** After a committed local setting the variable is '' and not NULL, and ''::uuid would raise. */
const CURRENT_TENANT = `NULLIF(current_setting('app.tenant_id', true), '')::uuid`;

/**
 * Forces row level security on a table and lets its two users in: `morag_app` to the rows of the current tenant,
 * `morag_system` to all. Neither may truncate, and nobody else may anything.
 */
export async function protectTable(runner: QueryRunner, table: string, tenantColumn = 'tenant_id'): Promise<void> {
  await runner.query(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
  await runner.query(`ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
  await runner.query(
    `CREATE POLICY tenant_isolation ON ${table} TO morag_app USING (${tenantColumn} = ${CURRENT_TENANT}) WITH CHECK (${tenantColumn} = ${CURRENT_TENANT})`,
  );
  await runner.query(`CREATE POLICY system_access ON ${table} TO morag_system USING (true) WITH CHECK (true)`);
  await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO morag_app, morag_system`);
}

/**
 * For what the application may read and never write. Its owner is let in as well, whom `FORCE` binds else: functions of the owner's write
 * it, and remove what is old.
 */
export async function protectAppendOnlyTable(runner: QueryRunner, table: string): Promise<void> {
  await protectTable(runner, table);
  await runner.query(`REVOKE INSERT, UPDATE, DELETE ON ${table} FROM morag_app, morag_system`);
  await runner.query(`CREATE POLICY upkeep ON ${table} TO morag_owner USING (true) WITH CHECK (true)`);
}

/**
 * Changes rows of all tenants in a migration. The owner of a table is bound by its policies, too, and there is none for it: without this
 * an UPDATE finds no row, and says nothing.
 */
export async function backfill(runner: QueryRunner, table: string, statement: string): Promise<void> {
  await runner.query(`ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`);
  await runner.query(statement);
  await runner.query(`ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
}

/** A table of the whole installation, in which no tenant has any business: `morag_system` alone may use it. */
export async function protectSystemTable(runner: QueryRunner, table: string): Promise<void> {
  await runner.query(`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`);
  await runner.query(`ALTER TABLE ${table} FORCE ROW LEVEL SECURITY`);
  await runner.query(`CREATE POLICY system_access ON ${table} TO morag_system USING (true) WITH CHECK (true)`);
  await runner.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO morag_system`);
}
