import type { MigrationInterface, QueryRunner } from 'typeorm';
import { backfill, protectTable } from './row-level-security.js';

/** Tenants' own vector database servers, what a database is made of, and its way into another collection. */
export class VectorServers1764000000021 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE database_servers
        DROP CONSTRAINT database_servers_type_check,
        ADD CONSTRAINT database_servers_type CHECK (type IN ('EMBEDDED', 'QDRANT', 'CHROMA', 'PGVECTOR')),
        ADD COLUMN host text,
        ADD COLUMN port integer CHECK (port BETWEEN 1 AND 65535),
        ADD COLUMN username text,
        ADD COLUMN database text,
        ADD COLUMN collection text,
        ADD COLUMN config jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN password bytea,
        ADD COLUMN api_key bytea,
        ADD COLUMN revision integer NOT NULL DEFAULT 1,
        ADD COLUMN last_connected_at timestamptz(3),
        ADD COLUMN health text NOT NULL DEFAULT 'unknown' CHECK (health IN ('unknown', 'healthy', 'unhealthy')),
        ADD COLUMN health_checked_at timestamptz(3),
        ADD COLUMN health_error jsonb,
        ADD CONSTRAINT database_servers_host CHECK ((type = 'EMBEDDED') = (host IS NULL)),
        ADD CONSTRAINT database_servers_of_type UNIQUE (tenant_id, id, type)`);
    await runner.query(`COMMENT ON COLUMN database_servers.revision IS 'counts changes of how it is reached, so that no connection outlives one'`);
    await runner.query(`CREATE INDEX database_servers_to_check ON database_servers (health_checked_at NULLS FIRST, tenant_id, id) WHERE type <> 'EMBEDDED' AND is_active`);

    await runner.query(`
      ALTER TABLE databases
        ADD COLUMN server_type text NOT NULL DEFAULT 'EMBEDDED',
        ADD COLUMN generation integer NOT NULL DEFAULT 1 CHECK (generation > 0),
        ADD COLUMN last_generation integer NOT NULL DEFAULT 1,
        ADD COLUMN embedding_provider text CHECK (embedding_provider IN ('hash', 'openai', 'onnx')),
        ADD COLUMN embedding_url text,
        ADD COLUMN embedding_api_key bytea,
        ADD COLUMN distance text NOT NULL DEFAULT 'cosine' CHECK (distance IN ('cosine', 'dot', 'euclidean')),
        ADD COLUMN chunk_size integer,
        ADD COLUMN chunk_overlap integer,
        ADD COLUMN chunking_strategy text,
        ADD COLUMN deleted_at timestamptz(3),
        ADD CONSTRAINT databases_last_generation CHECK (last_generation >= generation),
        ADD CONSTRAINT databases_server_type FOREIGN KEY (tenant_id, server_id, server_type) REFERENCES database_servers (tenant_id, id, type),
        DROP CONSTRAINT databases_name`);
    await runner.query(`CREATE UNIQUE INDEX databases_name ON databases (tenant_id, name) WHERE deleted_at IS NULL`);
    await runner.query(`COMMENT ON COLUMN databases.generation IS 'which of its collections is read and written: a reindex makes another'`);
    await runner.query(`COMMENT ON COLUMN databases.embedding_provider IS 'null is the one of the installation'`);
    await runner.query(`COMMENT ON COLUMN databases.deleted_at IS 'nobody sees it any more; its documents are being removed, and then this row'`);

    await runner.query(`
      CREATE TABLE reindexes (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL,
        database_id uuid NOT NULL,
        user_id uuid NOT NULL,
        status text NOT NULL CHECK (status IN ('RUNNING', 'FINISHED', 'FAILED', 'CANCELLED')),
        generation integer NOT NULL,
        embedding_provider text CHECK (embedding_provider IN ('hash', 'openai', 'onnx')),
        embedding_model text NOT NULL,
        dimensions integer NOT NULL CHECK (dimensions > 0),
        embedding_url text,
        embedding_api_key bytea,
        distance text NOT NULL CHECK (distance IN ('cosine', 'dot', 'euclidean')),
        documents_total integer NOT NULL DEFAULT 0,
        documents_done integer NOT NULL DEFAULT 0,
        attempt integer NOT NULL DEFAULT 0,
        error jsonb,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        ended_at timestamptz(3),
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, database_id) REFERENCES databases (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query(`CREATE UNIQUE INDEX reindexes_running ON reindexes (tenant_id, database_id) WHERE status = 'RUNNING'`);
    await runner.query(`CREATE INDEX reindexes_of_database ON reindexes (tenant_id, database_id, id DESC)`);
    await protectTable(runner, 'reindexes');

    await runner.query(`
      CREATE TABLE reindexed_documents (
        tenant_id uuid NOT NULL,
        reindex_id uuid NOT NULL,
        document_id uuid NOT NULL,
        version integer NOT NULL,
        PRIMARY KEY (tenant_id, reindex_id, document_id),
        FOREIGN KEY (tenant_id, reindex_id) REFERENCES reindexes (tenant_id, id) ON DELETE CASCADE,
        FOREIGN KEY (tenant_id, document_id) REFERENCES documents (tenant_id, id) ON DELETE CASCADE
      )`);
    await runner.query(`COMMENT ON TABLE reindexed_documents IS 'whose points are in the collection being made, and of which version'`);
    await runner.query(`CREATE INDEX reindexed_documents_of_document ON reindexed_documents (tenant_id, document_id)`);
    await protectTable(runner, 'reindexed_documents');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE reindexed_documents');
    await runner.query('DROP TABLE reindexes');
    // What the older schema cannot say: databases on servers of other kinds, and those that are being removed.
    await backfill(runner, 'databases', `DELETE FROM databases WHERE server_type <> 'EMBEDDED' OR deleted_at IS NOT NULL`);
    await runner.query('DROP INDEX databases_name');
    await runner.query(`
      ALTER TABLE databases
        ADD CONSTRAINT databases_name UNIQUE (tenant_id, name),
        DROP CONSTRAINT databases_server_type,
        DROP COLUMN server_type, DROP COLUMN generation, DROP COLUMN last_generation, DROP COLUMN embedding_provider, DROP COLUMN embedding_url,
        DROP COLUMN embedding_api_key, DROP COLUMN distance, DROP COLUMN chunk_size, DROP COLUMN chunk_overlap, DROP COLUMN chunking_strategy, DROP COLUMN deleted_at`);
    await backfill(runner, 'database_servers', `DELETE FROM database_servers WHERE type <> 'EMBEDDED'`);
    await runner.query('DROP INDEX database_servers_to_check');
    await runner.query(`
      ALTER TABLE database_servers
        DROP CONSTRAINT database_servers_of_type, DROP CONSTRAINT database_servers_host, DROP CONSTRAINT database_servers_type,
        ADD CONSTRAINT database_servers_type_check CHECK (type IN ('EMBEDDED')),
        DROP COLUMN host, DROP COLUMN port, DROP COLUMN username, DROP COLUMN database, DROP COLUMN collection, DROP COLUMN config, DROP COLUMN password,
        DROP COLUMN api_key, DROP COLUMN revision, DROP COLUMN last_connected_at, DROP COLUMN health, DROP COLUMN health_checked_at, DROP COLUMN health_error`);
  }
}
