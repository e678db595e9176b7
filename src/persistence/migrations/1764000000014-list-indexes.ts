import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A list by type reads the rows of its page, however rare the type is among a tenant's documents. */
export class ListIndexes1764000000014 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX documents_by_type ON documents (tenant_id, type, id DESC)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX documents_by_type');
  }
}
