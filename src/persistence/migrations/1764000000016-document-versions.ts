import type { MigrationInterface, QueryRunner } from 'typeorm';
import { backfill, protectTable } from './row-level-security.js';

/** Documents are made anew while they are read: what they will become, and which content is claimed in a database. */
export class DocumentVersions1764000000016 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE documents
        ADD COLUMN next jsonb,
        ADD COLUMN next_bytes bigint NOT NULL DEFAULT 0 CHECK (next_bytes >= 0),
        ADD COLUMN last_version integer NOT NULL DEFAULT 1,
        ADD CONSTRAINT documents_next CHECK (next IS NOT NULL OR next_bytes = 0),
        ADD CONSTRAINT documents_last_version CHECK (last_version >= version)`);
    await runner.query(`COMMENT ON COLUMN documents.next IS 'what a document that is read becomes when the work on it is done'`);
    await runner.query(`COMMENT ON COLUMN documents.next_bytes IS 'charged for the file of next, when that is a new one'`);
    await runner.query(`COMMENT ON COLUMN documents.last_version IS 'the highest ever begun: each piece of work takes the one after it'`);

    await runner.query(`
      CREATE TABLE document_contents (
        tenant_id uuid NOT NULL,
        database_id uuid NOT NULL,
        content_checksum text NOT NULL,
        document_id uuid NOT NULL,
        PRIMARY KEY (tenant_id, database_id, content_checksum),
        FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query(`COMMENT ON TABLE document_contents IS 'each content once in a database: what a document holds, and what it is about to'`);
    await runner.query('CREATE INDEX document_contents_of_document ON document_contents (tenant_id, document_id)');
    await backfill(
      runner,
      'documents',
      `INSERT INTO document_contents (tenant_id, database_id, content_checksum, document_id)
       SELECT tenant_id, database_id, content_checksum, id FROM documents WHERE state NOT IN ('DELETED', 'FAILED')`,
    );
    await protectTable(runner, 'document_contents');
    await runner.query('DROP INDEX documents_content');
    // A file that is sent again replaces the newest of its name.
    await runner.query('CREATE INDEX documents_by_name ON documents (tenant_id, database_id, name, id DESC)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX documents_by_name');
    await runner.query('DROP TABLE document_contents');
    await runner.query(`CREATE UNIQUE INDEX documents_content ON documents (tenant_id, database_id, content_checksum) WHERE state NOT IN ('DELETED', 'FAILED')`);
    await runner.query('ALTER TABLE documents DROP COLUMN next, DROP COLUMN next_bytes, DROP COLUMN last_version');
  }
}
