import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectTable } from './row-level-security.js';

/** What a tenant holds besides documents: keys, vector database servers and databases. */
export class ApiKeysAndDatabases1764000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE api_keys (
        id uuid NOT NULL,
        tenant_id uuid NOT NULL,
        user_id uuid NOT NULL,
        name text NOT NULL,
        description text,
        key_hash bytea NOT NULL,
        key_prefix text NOT NULL,
        environment text NOT NULL CHECK (environment IN ('live', 'test')),
        permissions text[] NOT NULL CHECK (permissions <@ ARRAY['read', 'write', 'ingest', 'process', 'search', 'admin']),
        is_active boolean NOT NULL DEFAULT true,
        expires_at timestamptz(3),
        revoked_at timestamptz(3),
        rate_limit_per_hour integer NOT NULL DEFAULT 1000 CHECK (rate_limit_per_hour BETWEEN 1 AND 10000),
        allowed_ips text[] NOT NULL DEFAULT '{}',
        database_ids uuid[],
        metadata jsonb NOT NULL DEFAULT '{}',
        rotated_from uuid,
        last_used_at timestamptz(3),
        usage_count bigint NOT NULL DEFAULT 0,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT api_keys_hash UNIQUE (key_hash),
        FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE UNIQUE INDEX api_keys_name ON api_keys (tenant_id, name) WHERE revoked_at IS NULL');
    await protectTable(runner, 'api_keys');

    await runner.query(`
      CREATE TABLE database_servers (
        id uuid NOT NULL,
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        name text NOT NULL,
        type text NOT NULL CHECK (type IN ('EMBEDDED')),
        is_active boolean NOT NULL DEFAULT true,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT database_servers_name UNIQUE (tenant_id, name)
      )`);
    await protectTable(runner, 'database_servers');

    await runner.query(`
      CREATE TABLE databases (
        id uuid NOT NULL,
        tenant_id uuid NOT NULL,
        server_id uuid NOT NULL,
        name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
        description text,
        collection_name text NOT NULL,
        embedding_model text NOT NULL,
        dimensions integer NOT NULL CHECK (dimensions > 0),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT databases_name UNIQUE (tenant_id, name),
        FOREIGN KEY (tenant_id, server_id) REFERENCES database_servers (tenant_id, id)
      )`);
    await runner.query('CREATE INDEX databases_of_server ON databases (tenant_id, server_id)');
    await protectTable(runner, 'databases');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['databases', 'database_servers', 'api_keys']) await runner.query(`DROP TABLE ${table}`);
  }
}
