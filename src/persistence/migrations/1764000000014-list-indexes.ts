import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A list by type or by status reads the rows of its page, however rare they are among a tenant's others. */
export class ListIndexes1764000000014 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX documents_by_type ON documents (tenant_id, type, id DESC)');
    await runner.query('CREATE INDEX jobs_by_status ON jobs (tenant_id, status, id DESC)');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const index of ['jobs_by_status', 'documents_by_type']) await runner.query(`DROP INDEX ${index}`);
  }
}
