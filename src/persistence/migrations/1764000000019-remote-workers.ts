import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Jobs whose text a worker elsewhere has to supply. */
export class RemoteWorkers1764000000019 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE jobs ADD COLUMN remote_type text CHECK (remote_type IN ('audio', 'video', 'image'))`);
    await runner.query(`COMMENT ON COLUMN jobs.remote_type IS 'set as long as the job needs a remote worker that reads files of this type; null once its text is there'`);
    await runner.query(`CREATE INDEX jobs_waiting_for_remote ON jobs (tenant_id, turn, id) WHERE status = 'WAITING_FOR_REMOTE_WORKER'`);
  }

  /** Nobody is left to run what waits for a remote worker. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX jobs_waiting_for_remote');
    await runner.query('ALTER TABLE jobs DROP COLUMN remote_type');
  }
}
