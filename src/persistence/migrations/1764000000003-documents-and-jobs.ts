import type { MigrationInterface, QueryRunner } from 'typeorm';
import { protectTable } from './row-level-security.js';

/** Documents, their chunks, and the jobs that make the one into the other. */
export class DocumentsAndJobs1764000000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE documents (
        id uuid NOT NULL,
        tenant_id uuid NOT NULL,
        user_id uuid NOT NULL,
        database_id uuid NOT NULL,
        title text NOT NULL,
        name text NOT NULL,
        type text NOT NULL,
        media_type text NOT NULL,
        state text NOT NULL CHECK (state IN ('PENDING', 'INGESTING', 'INGESTED', 'FAILED', 'DEPRECATED', 'DELETED')),
        version integer NOT NULL DEFAULT 1,
        chunk_size integer NOT NULL,
        chunk_overlap integer NOT NULL,
        chunk_count integer NOT NULL DEFAULT 0,
        is_charged boolean NOT NULL DEFAULT true,
        reserved_points integer NOT NULL DEFAULT 0 CHECK (reserved_points >= 0),
        quality real,
        size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
        content_checksum text NOT NULL,
        blob_key text NOT NULL,
        source_url text,
        metadata jsonb NOT NULL DEFAULT '{}',
        processing_error jsonb,
        job_id uuid NOT NULL,
        processed_at timestamptz(3),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id),
        CONSTRAINT documents_chunking CHECK (chunk_overlap < chunk_size),
        FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT documents_database FOREIGN KEY (tenant_id, database_id) REFERENCES databases (tenant_id, id)
      )`);
    await runner.query(`COMMENT ON COLUMN documents.is_charged IS 'whether documents, bytes and points are taken from the quota at this moment'`);
    // A failed document keeps its row and file for a while, but the same bytes may be sent again meanwhile.
    await runner.query(`CREATE UNIQUE INDEX documents_content ON documents (tenant_id, database_id, content_checksum) WHERE state NOT IN ('DELETED', 'FAILED')`);
    await runner.query('CREATE INDEX documents_by_database ON documents (tenant_id, database_id, id DESC)');
    await runner.query('CREATE INDEX documents_by_state ON documents (tenant_id, state, id DESC)');
    await protectTable(runner, 'documents');

    await runner.query(`
      CREATE TABLE document_chunks (
        tenant_id uuid NOT NULL,
        document_id uuid NOT NULL,
        version integer NOT NULL,
        index integer NOT NULL,
        id uuid NOT NULL,
        text text NOT NULL,
        token_count integer NOT NULL,
        char_start integer NOT NULL,
        char_end integer NOT NULL,
        page_from integer,
        page_to integer,
        heading_path text[] NOT NULL DEFAULT '{}',
        PRIMARY KEY (tenant_id, document_id, version, index),
        FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query('CREATE UNIQUE INDEX document_chunks_id ON document_chunks (tenant_id, id)');
    await protectTable(runner, 'document_chunks');

    await runner.query(`
      CREATE TABLE jobs (
        id uuid NOT NULL,
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        user_id uuid NOT NULL,
        document_id uuid NOT NULL,
        type text NOT NULL,
        status text NOT NULL CHECK (status IN ('PENDING', 'WAITING_FOR_REMOTE_WORKER', 'PROCESSING', 'FINISHED', 'FAILED', 'CANCELLED')),
        percentage smallint NOT NULL DEFAULT 0 CHECK (percentage BETWEEN 0 AND 100),
        stage text,
        summary text NOT NULL DEFAULT '',
        attempt integer NOT NULL DEFAULT 0,
        max_attempts integer NOT NULL,
        error jsonb,
        result jsonb,
        started_at timestamptz(3),
        ended_at timestamptz(3),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id)
      )`);
    await runner.query('CREATE INDEX jobs_of_document ON jobs (tenant_id, document_id, id DESC)');
    await protectTable(runner, 'jobs');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['jobs', 'document_chunks', 'documents']) await runner.query(`DROP TABLE ${table}`);
  }
}
