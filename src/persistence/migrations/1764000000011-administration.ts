import type { MigrationInterface, QueryRunner } from 'typeorm';

/** True of every job. Only a statement that says it, too, may use the index: a tenant's own lists would else be read among the jobs of all. */
const SAID_FOR_ALL_TENANTS = 'attempt >= 0';

/**
 * The jobs of all tenants, newest first. Every index ends with the id, so that each answers a page in order and without sorting, and
 * none has a time: ids are in the order of time. Tenants and people are few enough to be searched without more indexes.
 */
export class Administration1764000000011 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE INDEX jobs_newest_first ON jobs (id DESC) WHERE ${SAID_FOR_ALL_TENANTS}`);
    await runner.query(`CREATE INDEX jobs_by_status ON jobs (status, id DESC) WHERE ${SAID_FOR_ALL_TENANTS}`);
    await runner.query('CREATE INDEX jobs_of_tenant_by_status ON jobs (tenant_id, status, id DESC)');
    await runner.query(`CREATE INDEX jobs_of_any_document ON jobs (document_id, id DESC) WHERE ${SAID_FOR_ALL_TENANTS}`);
    // Nearly every job is an ingest: those are found newest first, and the rest is small.
    await runner.query(`CREATE INDEX jobs_of_other_types ON jobs (type, id DESC) WHERE type <> 'ingest'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const index of ['jobs_newest_first', 'jobs_by_status', 'jobs_of_tenant_by_status', 'jobs_of_any_document', 'jobs_of_other_types']) await runner.query(`DROP INDEX ${index}`);
  }
}
