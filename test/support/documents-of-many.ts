import pg from 'pg';
import type { TestDatabase } from './test-database.js';

/** A tenant that registered; its documents lie in its databases by age, the oldest in the first. */
export interface RealTenant {
  tenantId: string;
  userId: string;
  /** Each holds a twentieth; one that is named again holds more. */
  twentieths: readonly string[];
}

const TENANTS = 1000;
/** The plans are the same with half a million, which are there in half the time. */
const DOCUMENTS = process.env['MORAG_TEST_MILLION'] ? 1_000_000 : 500_000;
/** Of the oldest documents. */
const JOBS = (DOCUMENTS * 2) / 5;
const WITH_CHUNKS = DOCUMENTS / 5;
/** The number of a document in the midst of all; it and its job failed. */
export const MIDDLE = DOCUMENTS / 5;
/** Every fifth document is of the largest tenant. */
export const DOCUMENTS_OF_LARGEST = DOCUMENTS / 5;
/** Of each of the 980 small ones. */
export const DOCUMENTS_OF_SMALL = Math.ceil((DOCUMENTS * 3) / 5 / 980);

type Kind = keyof typeof KINDS;
const KINDS = { tenant: 1, user: 2, server: 3, database: 4, document: 5, job: 6, key: 7, chunk: 8 } as const;

/** Rises with the number, as UUIDv7 does with the time. */
export function seededId(kind: Kind, n: number): string {
  const hex = n.toString(16).padStart(8, '0');
  return `019a${hex.slice(0, 4)}-${hex.slice(4)}-7000-8000-${String(KINDS[kind]).padStart(12, '0')}`;
}

/** In SQL; `n` is an expression. */
const id = (kind: Kind, n: string): string => `('019a' || lpad(to_hex(${n}), 8, '0') || '70008000' || '${String(KINDS[kind]).padStart(12, '0')}')::uuid`;

const OWNERS = `
  CREATE TEMPORARY TABLE owners AS
    SELECT t, ${id('tenant', 't')} AS tenant_id, ${id('user', 't')} AS user_id, array_agg(${id('database', 't * 4 + part / 5')} ORDER BY part) AS twentieths
      FROM generate_series(0, ${TENANTS - 1}) t, generate_series(0, 19) part GROUP BY t;
  ALTER TABLE owners ADD PRIMARY KEY (t)`;

/** Number 0 has a fifth of everything, 1 to 19 together a fifth, 20 to 999 the rest; rows of one tenant lie between those of all others. */
const NUMBERED = (count: number): string =>
  `(SELECT n, CASE n % 5 WHEN 0 THEN 0 WHEN 1 THEN 1 + n / 5 % 19 ELSE 20 + n / 5 % 980 END AS t FROM generate_series(1, ${count}) n) numbered JOIN owners USING (t)`;

/** One in 50 failed, one in 500 is being deleted, none waits; one type and one status are rare, and then old. */
const ROWS: readonly string[] = [
  `INSERT INTO tenants (id) SELECT tenant_id FROM owners ON CONFLICT DO NOTHING`,
  `INSERT INTO users (id, tenant_id, name, email, email_key, password_hash) SELECT user_id, tenant_id, 'Somebody', t || '@x', t || '@x', 'x' FROM owners ON CONFLICT DO NOTHING`,
  `INSERT INTO tenant_quotas (tenant_id, resource) SELECT tenant_id, 'documents' FROM owners ON CONFLICT DO NOTHING`,
  `INSERT INTO databases (id, tenant_id, server_id, name, collection_name, embedding_model, dimensions)
   SELECT twentieths[part * 5 + 1], tenant_id, ${id('server', 't')}, 'd' || part, 'c' || t || part, 'm', 1 FROM owners, generate_series(0, 3) part ON CONFLICT DO NOTHING`,
  `INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, environment, permissions, lineage_id, revoked_at)
   SELECT ${id('key', 't * 20 + n')}, tenant_id, user_id, 'key ' || n, sha256(('k' || t * 20 + n)::bytea), 'mk_live_0000', 'live', '{read}', ${id('key', 't * 20 + n')}, CASE WHEN n > 5 THEN now() END
     FROM owners, generate_series(0, 19) n`,
  `INSERT INTO documents (id, tenant_id, user_id, database_id, title, name, type, media_type, state, chunk_size, chunk_overlap, chunk_count, size_bytes, content_checksum, blob_key, job_id)
   SELECT ${id('document', 'n')}, tenant_id, user_id, twentieths[1 + (n - 1) * 20 / ${DOCUMENTS}], 'Title ' || n, n || '.md', CASE WHEN n < 2000 THEN 'docx' ELSE (ARRAY['md', 'txt', 'pdf', 'html'])[1 + n / 1000 % 4] END, '',
          CASE WHEN n / 1000 % 50 = 0 THEN 'FAILED' WHEN n % 503 = 0 THEN 'DELETED' ELSE 'INGESTED' END, 2000, 200, 1, 1000, n::text, '', ${id('job', 'n')}
     FROM ${NUMBERED(DOCUMENTS)}`,
  `INSERT INTO jobs (id, tenant_id, user_id, document_id, type, status, percentage, max_attempts, ended_at)
   SELECT ${id('job', 'n')}, tenant_id, user_id, ${id('document', 'n')}, 'ingest', CASE WHEN n < 2000 THEN 'CANCELLED' WHEN n / 1000 % 50 = 0 THEN 'FAILED' ELSE 'FINISHED' END, 100, 3, now() FROM ${NUMBERED(JOBS)}`,
  `INSERT INTO document_chunks (tenant_id, document_id, version, index, id, text, token_count, char_start, char_end)
   SELECT tenant_id, ${id('document', 'n')}, 1, 0, ${id('chunk', 'n')}, 'text', 1, 0, 4 FROM ${NUMBERED(WITH_CHUNKS)}`,
  `INSERT INTO document_contents (tenant_id, database_id, content_checksum, document_id)
   SELECT tenant_id, twentieths[1 + (n - 1) * 20 / ${DOCUMENTS}], n::text, ${id('document', 'n')} FROM ${NUMBERED(WITH_CHUNKS)}`,
  `INSERT INTO usage_hourly (tenant_id, hour, api_key_id, route, status_class, requests, duration_ms, bytes_in, bytes_out)
   SELECT tenant_id, date_trunc('hour', now()) - make_interval(hours => n % 800), ${id('key', 't * 20 + n / 800 % 3')}, 'GET /' || n / 800, 2, 1, 1, 1, 1 FROM ${NUMBERED(100_000)}`,
];

/** Too many rows to enter them into the indexes one by one. Not `usage_hourly`: the server may write to it at any moment. */
const BULK = ['documents', 'jobs', 'document_chunks', 'document_contents'];

/**
 * Very many documents, with jobs and chunks of some, keys and hours of usage, over a thousand tenants; the first two are real, one of them
 * the largest and the other a small one. Nothing is checked and the indexes are made afterwards, all at once, which takes a third of the time.
 */
export async function seedLargeInstallation(database: TestDatabase, largest: RealTenant, small: RealTenant): Promise<void> {
  const client = new pg.Client({ connectionString: database.superuserUrl });
  await client.connect();
  try {
    await client.query(`SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '256MB'; SET max_parallel_maintenance_workers = 0; SET jit = off`);
    await client.query(OWNERS);
    for (const [t, { tenantId, userId, twentieths }] of [[0, largest], [500, small]] as const) {
      await client.query('UPDATE owners SET tenant_id = $2, user_id = $3, twentieths = $4 WHERE t = $1', [t, tenantId, userId, twentieths]);
    }
    await client.query('UPDATE pg_index SET indisready = false WHERE indrelid = ANY ($1::regclass[])', [BULK]);
    for (const statement of ROWS) await client.query(statement);
    for (const table of BULK) await client.query(`REINDEX TABLE ${table}`);
    await client.query('ANALYZE');
  } finally {
    await client.end();
  }
}
