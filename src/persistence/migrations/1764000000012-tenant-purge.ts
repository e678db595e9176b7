import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tenants that are being removed with everything they have. */
export class TenantPurge1764000000012 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tenants ADD COLUMN purge_requested_at timestamptz(3)');
    await runner.query(`COMMENT ON COLUMN tenants.purge_requested_at IS 'set once and for good: everything of the tenant is being removed, this row last'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE tenants DROP COLUMN purge_requested_at');
  }
}
