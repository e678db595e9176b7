import type { MigrationInterface, QueryRunner } from 'typeorm';
import { backfill } from './row-level-security.js';

/** Keys that succeed each other: one name, one place in the quota and one rate limit between them. */
export class KeyRotation1764000000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api_keys ADD COLUMN lineage_id uuid, ADD COLUMN rotated_to uuid');
    await backfill(runner, 'api_keys', 'UPDATE api_keys SET lineage_id = id');
    await runner.query('ALTER TABLE api_keys ALTER COLUMN lineage_id SET NOT NULL');
    await runner.query('DROP INDEX api_keys_name');
    await runner.query('CREATE UNIQUE INDEX api_keys_name ON api_keys (tenant_id, name) WHERE revoked_at IS NULL AND rotated_to IS NULL');
    await runner.query('CREATE INDEX api_keys_of_lineage ON api_keys (tenant_id, lineage_id) WHERE revoked_at IS NULL');
  }

  async down(runner: QueryRunner): Promise<void> {
    // Two of one name would not fit the index that stood here before.
    await backfill(runner, 'api_keys', 'UPDATE api_keys SET revoked_at = now() WHERE rotated_to IS NOT NULL AND revoked_at IS NULL');
    for (const index of ['api_keys_name', 'api_keys_of_lineage']) await runner.query(`DROP INDEX ${index}`);
    await runner.query('ALTER TABLE api_keys DROP COLUMN lineage_id, DROP COLUMN rotated_to');
    await runner.query('CREATE UNIQUE INDEX api_keys_name ON api_keys (tenant_id, name) WHERE revoked_at IS NULL');
  }
}
