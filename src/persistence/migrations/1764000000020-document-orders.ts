import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A list of documents in any of its orders reads the rows of its page. */
const ORDERS = { documents_by_update: 'updated_at', documents_by_title: 'title', documents_by_size: 'size_bytes' };

export class DocumentOrders1764000000020 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const [name, column] of Object.entries(ORDERS)) await runner.query(`CREATE INDEX ${name} ON documents (tenant_id, ${column}, id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of Object.keys(ORDERS)) await runner.query(`DROP INDEX ${name}`);
  }
}
