import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A document remembers what it is cut by; all before this one were cut recursively. */
export class ChunkingStrategy1764000000015 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE documents ADD COLUMN chunking_strategy text NOT NULL DEFAULT 'recursive'`);
    // Not valid: every row there is has the default, and a large table need not be read under the lock to find that out.
    await runner.query(`
      ALTER TABLE documents ADD CONSTRAINT documents_chunking_strategy
        CHECK (chunking_strategy IN ('recursive', 'sentence', 'page', 'heading')) NOT VALID`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE documents DROP COLUMN chunking_strategy');
  }
}
