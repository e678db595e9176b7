import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectTable } from './row-level-security.js';

/** Tenants with their quotas, and the people who own them. */
export class TenantsAndUsers1764000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE tenants (
        id uuid PRIMARY KEY,
        status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'trial', 'suspended', 'inactive')),
        configuration jsonb NOT NULL DEFAULT '{}',
        metadata jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    await protectTable(runner, 'tenants', 'id');

    await runner.query(`
      CREATE TABLE tenant_quotas (
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        resource text NOT NULL CHECK (resource IN ('documents', 'storage_mb', 'api_calls_per_hour', 'vector_points', 'databases', 'api_keys')),
        hard_limit bigint CHECK (hard_limit >= 0),
        used bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
        reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
        warning_threshold smallint NOT NULL DEFAULT 80 CHECK (warning_threshold BETWEEN 1 AND 100),
        PRIMARY KEY (tenant_id, resource)
      ) WITH (fillfactor = 50)`);
    await runner.query(`COMMENT ON COLUMN tenant_quotas.hard_limit IS 'NULL is unlimited; storage_mb is counted in bytes'`);
    await protectTable(runner, 'tenant_quotas');

    await runner.query(`
      CREATE TABLE users (
        id uuid NOT NULL,
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        name text NOT NULL,
        email text NOT NULL,
        email_key text NOT NULL,
        password_hash text NOT NULL,
        avatar text,
        role text NOT NULL DEFAULT 'USER' CHECK (role IN ('VIEWER', 'USER', 'ADMIN')),
        is_active boolean NOT NULL DEFAULT true,
        last_login_at timestamptz(3),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT users_email UNIQUE (email_key)
      )`);
    await runner.query(`COMMENT ON COLUMN users.email_key IS 'the address as compared: NFKC, lower case'`);
    await protectTable(runner, 'users');

    await runner.query(`
      CREATE TABLE user_settings (
        tenant_id uuid NOT NULL,
        user_id uuid NOT NULL,
        theme text NOT NULL DEFAULT 'SYSTEM' CHECK (theme IN ('LIGHT', 'DARK', 'SYSTEM')),
        language text NOT NULL DEFAULT 'en',
        notifications boolean NOT NULL DEFAULT true,
        auto_save boolean NOT NULL DEFAULT true,
        default_database text NOT NULL DEFAULT 'default',
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, user_id),
        FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
      )`);
    await protectTable(runner, 'user_settings');

    await runner.query(`
      CREATE TABLE sessions (
        id uuid NOT NULL,
        tenant_id uuid NOT NULL,
        user_id uuid NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        expires_at timestamptz(3) NOT NULL,
        ended_at timestamptz(3),
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE INDEX sessions_of_user ON sessions (tenant_id, user_id) WHERE ended_at IS NULL');
    await protectTable(runner, 'sessions');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['sessions', 'user_settings', 'users', 'tenant_quotas', 'tenants']) await runner.query(`DROP TABLE ${table}`);
  }
}
