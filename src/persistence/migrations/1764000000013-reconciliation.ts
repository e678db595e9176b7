import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectSystemTable } from './row-level-security.js';

/** What the reconciler found, for every process to tell; and what the administrator's view of the installation's health is read from. */
export class Reconciliation1764000000013 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE reconciliations (
        id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('quotas', 'stores')),
        started_at timestamptz(3) NOT NULL,
        finished_at timestamptz(3) NOT NULL DEFAULT now(),
        result jsonb NOT NULL
      )`);
    await runner.query(`COMMENT ON TABLE reconciliations IS 'each run over the whole installation that came to its end'`);
    await runner.query('CREATE INDEX reconciliations_newest_first ON reconciliations (kind, id DESC)');
    await protectSystemTable(runner, 'reconciliations');

    // What is deleted and not yet removed is little, whatever else there is.
    await runner.query(`CREATE INDEX documents_deleted ON documents (updated_at) WHERE state = 'DELETED'`);
    // Open jobs have no end yet and stand together, and so do those that ended on the last day.
    await runner.query('CREATE INDEX jobs_by_end ON jobs (ended_at, status)');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const index of ['documents_deleted', 'jobs_by_end']) await runner.query(`DROP INDEX ${index}`);
    await runner.query('DROP TABLE reconciliations');
  }
}
