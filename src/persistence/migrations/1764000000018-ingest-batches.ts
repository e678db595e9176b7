import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectTable } from './row-level-security.js';

/** Which jobs came in together. What was rejected left no job, and is counted only. */
export class IngestBatches1764000000018 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE ingest_batches (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        user_id uuid NOT NULL,
        database_id uuid NOT NULL,
        rejected smallint NOT NULL CHECK (rejected >= 0),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT ingest_batches_database FOREIGN KEY (tenant_id, database_id) REFERENCES databases (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE INDEX ingest_batches_by_database ON ingest_batches (tenant_id, database_id)');
    await protectTable(runner, 'ingest_batches');

    await runner.query(`
      CREATE TABLE ingest_batch_items (
        tenant_id uuid NOT NULL,
        batch_id uuid NOT NULL,
        item_index smallint NOT NULL CHECK (item_index >= 0),
        job_id uuid NOT NULL,
        PRIMARY KEY (tenant_id, batch_id, item_index),
        FOREIGN KEY (tenant_id, batch_id) REFERENCES ingest_batches (tenant_id, id) ON DELETE CASCADE,
        FOREIGN KEY (tenant_id, job_id) REFERENCES jobs (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE INDEX ingest_batch_items_by_job ON ingest_batch_items (tenant_id, job_id)');
    await protectTable(runner, 'ingest_batch_items');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['ingest_batch_items', 'ingest_batches']) await runner.query(`DROP TABLE ${table}`);
  }
}
