import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectTable } from './row-level-security.js';

/** What was asked of the server, summed up by hour. */
export class Usage1764000000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE usage_hourly (
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        hour timestamptz NOT NULL,
        api_key_id uuid NOT NULL,
        route text NOT NULL,
        status_class smallint NOT NULL CHECK (status_class BETWEEN 1 AND 5),
        requests bigint NOT NULL CHECK (requests > 0),
        duration_ms double precision NOT NULL,
        bytes_in bigint NOT NULL,
        bytes_out bigint NOT NULL,
        PRIMARY KEY (tenant_id, hour, api_key_id, route, status_class)
      )`);
    await runner.query(`COMMENT ON COLUMN usage_hourly.api_key_id IS 'all zeros for people who signed in'`);
    await protectTable(runner, 'usage_hourly');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE usage_hourly');
  }
}
