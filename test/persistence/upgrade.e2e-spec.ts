import { DataSource } from 'typeorm';
import { migrationOptions } from '../../src/persistence/data-source.js';
import { setUpDatabase } from '../../src/persistence/database-setup.js';
import { MIGRATIONS } from '../../src/persistence/migrations/index.js';
import { TestDatabase } from '../support/test-database.js';

/** Of the released versions, how many migrations each had. */
const RELEASES = { '0.1.0': 4 };
const ID = '00000000-0000-7000-8000-000000000001';

describe('an upgrade', () => {
  it.each(Object.entries(RELEASES))('of a database that %s has filled keeps every row, and back again', async (_, migrations) => {
    const database = await TestDatabase.createEmpty();
    const migrate = async (work: (source: DataSource) => Promise<unknown>, known = MIGRATIONS.length): Promise<void> => {
      const source = await new DataSource({ ...migrationOptions(database.url), migrations: MIGRATIONS.slice(0, known) }).initialize();
      try {
        await work(source);
      } finally {
        await source.destroy();
      }
    };
    try {
      await database.query('GRANT USAGE, CREATE ON SCHEMA public TO morag_owner');
      await database.query(`GRANT CREATE, CONNECT ON DATABASE ${database.name} TO morag_owner`);
      await migrate((source) => source.runMigrations(), migrations);
      await database.query('INSERT INTO tenants (id) VALUES ($1)', [ID]);
      await database.query(`INSERT INTO users (id, tenant_id, name, email, email_key, password_hash) VALUES ($1, $1, 'Ada', 'ada', 'ada', 'x')`, [ID]);
      await database.query(`INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, environment, permissions) VALUES ($1, $1, $1, 'k', '\\x00', 'mk_live_abcd', 'live', '{read}')`, [ID]);
      await database.query(`INSERT INTO usage_hourly (tenant_id, hour, api_key_id, route, status_class, requests, duration_ms, bytes_in, bytes_out) VALUES ($1, '2026-01-01', $1, 'GET /', 2, 5, 10, 0, 0)`, [ID]);
      await database.query(`INSERT INTO database_servers (id, tenant_id, name, type) VALUES ($1, $1, 'embedded', 'EMBEDDED')`, [ID]);
      await database.query(`INSERT INTO databases (id, tenant_id, server_id, name, collection_name, embedding_model, dimensions) VALUES ($1, $1, $1, 'default', 'c', 'm', 1)`, [ID]);
      await database.query(
        `INSERT INTO documents (id, tenant_id, user_id, database_id, title, name, type, media_type, state, chunk_size, chunk_overlap, size_bytes, content_checksum, blob_key, job_id)
         SELECT gen_random_uuid(), $1, $1, $1, 'x', 'x', 'txt', 'text/plain', state, 100, 0, 1, 'of ' || state, 'x', $1 FROM unnest(ARRAY['PENDING', 'INGESTING', 'INGESTED', 'FAILED', 'DELETED']) AS state`,
        [ID],
      );
      await setUpDatabase(database.url, { production: true, warn: console.warn });
      expect(await database.query('SELECT id, lineage_id FROM api_keys')).toEqual([{ id: ID, lineage_id: ID }]);
      expect(await database.query('SELECT requests::int FROM usage_hourly')).toEqual([{ requests: 5 }]);
      const contents = await database.query<{ content_checksum: string }>('SELECT content_checksum FROM document_contents JOIN documents USING (tenant_id, database_id, content_checksum) WHERE id = document_id ORDER BY 1');
      expect(contents.map((row) => row.content_checksum)).toEqual(['of INGESTED', 'of INGESTING', 'of PENDING']);
      const unforced = await database.query(`SELECT relname FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity`);
      expect(unforced).toEqual([]);
      // A key that was rotated since: the older schema has room for one of each name.
      await database.query('UPDATE api_keys SET rotated_to = $1', [ID]);
      await migrate(async (source) => {
        for (let undone = migrations; undone < MIGRATIONS.length; undone++) await source.undoLastMigration();
      });
      expect(await database.query('SELECT revoked_at IS NOT NULL AS revoked FROM api_keys')).toEqual([{ revoked: true }]);
    } finally {
      await database.drop();
    }
  });
});
