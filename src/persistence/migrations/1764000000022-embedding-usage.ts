import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectTable } from './row-level-security.js';

/** What was embedded for each tenant, by hour. One row an hour at most, so it stays as it is until its day is dropped. */
export class EmbeddingUsage1764000000022 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE embedding_usage (
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        hour timestamptz NOT NULL,
        texts bigint NOT NULL CHECK (texts > 0),
        tokens bigint NOT NULL CHECK (tokens >= 0),
        PRIMARY KEY (tenant_id, hour)
      )`);
    await runner.query(`COMMENT ON COLUMN embedding_usage.tokens IS 'as the provider counted them, or estimated where it does not say'`);
    // The roll-up looks for hours of all tenants that are to go.
    await runner.query('CREATE INDEX embedding_usage_hour ON embedding_usage (hour)');
    await protectTable(runner, 'embedding_usage');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE embedding_usage');
  }
}
