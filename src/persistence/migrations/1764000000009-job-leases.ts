import type { MigrationInterface, QueryRunner } from 'typeorm';
import { backfill } from './row-level-security.js';

/** Until when a running job is its worker's, by the database's clock. */
export class JobLeases1764000000009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE jobs ADD COLUMN lease_expires_at timestamptz(3)');
    await runner.query(`COMMENT ON COLUMN jobs.lease_expires_at IS 'set while a worker runs the job, which renews it; what a job held whose lease ran out is released'`);
    await backfill(runner, 'jobs', `UPDATE jobs SET lease_expires_at = now() + interval '30 seconds' WHERE status = 'PROCESSING'`);
    // Without the lease itself, which changes every few seconds: so that change touches no index.
    await runner.query(`CREATE INDEX jobs_running ON jobs (tenant_id, id) WHERE status = 'PROCESSING'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX jobs_running');
    await runner.query('ALTER TABLE jobs DROP COLUMN lease_expires_at');
  }
}
