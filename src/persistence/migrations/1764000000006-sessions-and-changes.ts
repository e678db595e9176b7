import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectSystemTable, protectTable } from './row-level-security.js';

/** What a process may remember of a tenant for a while; a change of it is announced to all of them. */
const REMEMBERED: readonly { table: string; columns: readonly string[] }[] = [
  { table: 'tenants', columns: ['status'] },
  { table: 'tenant_quotas', columns: ['hard_limit'] },
  { table: 'users', columns: ['role', 'is_active'] },
  { table: 'sessions', columns: ['ended_at'] },
  {
    table: 'api_keys',
    columns: ['name', 'description', 'metadata', 'permissions', 'is_active', 'expires_at', 'revoked_at', 'allowed_ips', 'database_ids', 'rate_limit_per_hour'],
  },
];

/** Sessions that are refreshed, sign-ins that are throttled, and changes that every process hears of. */
export class SessionsAndChanges1764000000006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE refresh_tokens (
        tenant_id uuid NOT NULL,
        token_hash bytea NOT NULL,
        session_id uuid NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        expires_at timestamptz(3) NOT NULL,
        used_at timestamptz(3),
        PRIMARY KEY (tenant_id, token_hash),
        CONSTRAINT refresh_tokens_hash UNIQUE (token_hash),
        FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE INDEX refresh_tokens_of_session ON refresh_tokens (tenant_id, session_id)');
    await protectTable(runner, 'refresh_tokens');

    // For the administrator, who looks at the people of all tenants.
    await runner.query('CREATE INDEX users_newest_first ON users (id DESC)');
    await runner.query(`CREATE INDEX users_administrators ON users (id) WHERE role = 'ADMIN'`);

    await runner.query(`
      CREATE TABLE login_attempts (
        subject text PRIMARY KEY,
        tried_at timestamptz[] NOT NULL,
        failed_at timestamptz[] NOT NULL DEFAULT '{}',
        last_tried_at timestamptz NOT NULL
      )`);
    await runner.query(`COMMENT ON COLUMN login_attempts.tried_at IS 'tries that failed or are under way; failed_at are those known to have failed'`);
    await runner.query('CREATE INDEX login_attempts_by_age ON login_attempts (last_tried_at)');
    await protectSystemTable(runner, 'login_attempts');

    // In the schema, so that no way of changing a row can forget it, an operator's own UPDATE included.
    await runner.query(`
      CREATE FUNCTION announce_tenant_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('morag_tenant_changed', CASE TG_TABLE_NAME WHEN 'tenants' THEN to_jsonb(OLD) ->> 'id' ELSE to_jsonb(OLD) ->> 'tenant_id' END);
        RETURN NULL;
      END $$`);
    for (const { table, columns } of REMEMBERED) {
      const differs = columns.map((column) => `OLD.${column} IS DISTINCT FROM NEW.${column}`).join(' OR ');
      await runner.query(
        `CREATE TRIGGER announce_change AFTER UPDATE OF ${columns.join(', ')} ON ${table} FOR EACH ROW WHEN (${differs}) EXECUTE FUNCTION announce_tenant_change()`,
      );
    }
    await runner.query('CREATE TRIGGER announce_removal AFTER DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION announce_tenant_change()');
    await runner.query('CREATE TRIGGER announce_removal AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION announce_tenant_change()');
    await runner.query('CREATE TRIGGER announce_removal AFTER DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION announce_tenant_change()');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION announce_tenant_change CASCADE');
    for (const index of ['users_newest_first', 'users_administrators']) await runner.query(`DROP INDEX ${index}`);
    for (const table of ['login_attempts', 'refresh_tokens']) await runner.query(`DROP TABLE ${table}`);
  }
}
