import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectTable } from './row-level-security.js';

/** What was answered under an Idempotency-Key, for a day. */
export class Idempotency1764000000025 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE idempotency_keys (
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        route text NOT NULL,
        key text NOT NULL,
        fingerprint bytea,
        token uuid NOT NULL,
        lease_expires_at timestamptz NOT NULL,
        status smallint,
        body json,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (tenant_id, route, key),
        CHECK ((status IS NULL) = (body IS NULL)),
        CHECK (status IS NULL OR fingerprint IS NOT NULL)
      )`);
    await runner.query(`COMMENT ON COLUMN idempotency_keys.fingerprint IS 'SHA-256 of the request; null while a form is still being received'`);
    await runner.query(`COMMENT ON COLUMN idempotency_keys.token IS 'of the one request that may write its answer here'`);
    await runner.query(`COMMENT ON COLUMN idempotency_keys.status IS 'null while the request runs'`);
    // Those of a day ago are removed for all tenants.
    await runner.query('CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at)');
    await protectTable(runner, 'idempotency_keys');

    await runner.query(`
      CREATE TABLE idempotency_parts (
        tenant_id uuid NOT NULL,
        route text NOT NULL,
        key text NOT NULL,
        part text NOT NULL,
        body json NOT NULL,
        PRIMARY KEY (tenant_id, route, key, part),
        FOREIGN KEY (tenant_id, route, key) REFERENCES idempotency_keys (tenant_id, route, key) ON DELETE CASCADE
      )`);
    await runner.query(`COMMENT ON TABLE idempotency_parts IS 'what is done already of a request that takes several transactions'`);
    await protectTable(runner, 'idempotency_parts');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE idempotency_parts');
    await runner.query('DROP TABLE idempotency_keys');
  }
}
