// Rows that were always there: written by SQL and past every trigger, so that nobody is told of them and no audit chains them.
const HIGH = 1_000_000_000_000;
const RESOURCES = `ARRAY['documents', 'storage_mb', 'api_calls_per_hour', 'vector_points', 'databases', 'api_keys']`;
const KINDS = { tenant: 1, server: 3, database: 4, document: 5, job: 6, key: 7 };
/** Of the first document; the next is a millisecond younger. */
const FIRST_MS = 0x019a_0000_0000;

/** In SQL: a UUIDv7 whose time rises with the number `n`, an expression. */
export const id = (kind, n) => `('019a' || lpad(to_hex(${n}), 8, '0') || '70008000' || '${String(KINDS[kind]).padStart(12, '0')}')::uuid`;

export function seededId(kind, n) {
  const hex = n.toString(16).padStart(8, '0');
  return `019a${hex.slice(0, 4)}-${hex.slice(4)}-7000-8000-${String(KINDS[kind]).padStart(12, '0')}`;
}

export const timeOf = (n) => new Date(FIRST_MS + n).toISOString();

/** Afterwards the tables are as they would be after a while: vacuumed, with statistics to plan with. */
export async function asIfAlwaysThere(client, work) {
  await client.query('SET session_replication_role = replica; SET synchronous_commit = off');
  try {
    await work();
  } finally {
    await client.query('RESET session_replication_role; RESET synchronous_commit');
  }
  await client.query('VACUUM (ANALYZE)');
  // What it has to write to disk is not written while somebody measures.
  await client.query('CHECKPOINT');
}

/** Tenants number `from` to `to`, each with a person, quotas and a database. */
export async function insertTenants(client, from, to) {
  const numbers = `FROM generate_series(${from}, ${to}) n`;
  await client.query(`INSERT INTO tenants (id, created_at) SELECT ${id('tenant', 'n')}, to_timestamp((${FIRST_MS} + n) / 1000.0) ${numbers}`);
  await client.query(`INSERT INTO users (id, tenant_id, name, email, email_key, password_hash) SELECT ${id('tenant', 'n')}, ${id('tenant', 'n')}, 'Somebody', n || '@x', n || '@x', 'none' ${numbers}`);
  await client.query(
    `INSERT INTO tenant_quotas (tenant_id, resource, hard_limit, used)
     SELECT ${id('tenant', 'n')}, resource, ${HIGH}, (resource IN ('databases', 'api_keys'))::int ${numbers}, unnest(${RESOURCES}) AS resource`,
  );
  await client.query(`INSERT INTO database_servers (id, tenant_id, name, type) SELECT ${id('server', 'n')}, ${id('tenant', 'n')}, 'embedded', 'EMBEDDED' ${numbers}`);
  await client.query(
    `INSERT INTO databases (id, tenant_id, server_id, name, collection_name, embedding_model, dimensions)
     SELECT ${id('database', 'n')}, ${id('tenant', 'n')}, ${id('server', 'n')}, 'default', 'c' || n, 'm', 1 ${numbers}`,
  );
}

/** @param owner an expression for the tenant of number `n`, whose person has the same id; `hash` another */
export async function insertKeys(client, from, to, owner, hash) {
  await client.query(
    `INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, environment, permissions, rate_limit_per_hour, lineage_id)
     SELECT ${id('key', 'n')}, ${owner}, ${owner}, 'key ' || n, ${hash}, 'mk_live_0000', 'live', ARRAY['read'], 1000000000, ${id('key', 'n')} FROM generate_series(${from}, ${to}) n`,
  );
}

/**
 * Documents number `from` to `to` with the job of each and its content. One in ten has failed, one in ten is a Word file, the others are Markdown.
 * Fifty of the first thousand of every million have a title that no other has: the newest are read for it in vain.
 * @param owner expressions for number `n`: `tenant`, `user`, `database`
 */
export async function insertDocuments(client, from, to, { tenant, user, database }) {
  const numbers = `FROM generate_series(${from}, ${to}) n`;
  const state = `CASE WHEN n % 10 = 0 THEN 'FAILED' ELSE 'INGESTED' END`;
  await client.query(
    `INSERT INTO documents (id, tenant_id, user_id, database_id, title, name, type, media_type, state, chunk_size, chunk_overlap, chunk_count, size_bytes, content_checksum, blob_key, job_id, created_at, updated_at)
     SELECT ${id('document', 'n')}, ${tenant}, ${user}, ${database}, CASE WHEN n % 1000000 BETWEEN 401 AND 450 THEN 'Rare ' ELSE 'Title ' END || n, n || '.md', CASE WHEN n % 10 = 1 THEN 'docx' ELSE 'md' END, 'text/markdown',
            ${state}, 2000, 200, 1, 1000, n::text, '', ${id('job', 'n')}, to_timestamp((${FIRST_MS} + n) / 1000.0), to_timestamp((${FIRST_MS} + n) / 1000.0) ${numbers}`,
  );
  await client.query(
    `INSERT INTO jobs (id, tenant_id, user_id, document_id, type, status, percentage, max_attempts, ended_at, created_at)
     SELECT ${id('job', 'n')}, ${tenant}, ${user}, ${id('document', 'n')}, 'ingest', CASE WHEN n % 10 = 0 THEN 'FAILED' ELSE 'FINISHED' END, 100, 3, now(), to_timestamp((${FIRST_MS} + n) / 1000.0) ${numbers}`,
  );
  await client.query(`INSERT INTO document_contents (tenant_id, database_id, content_checksum, document_id) SELECT ${tenant}, ${database}, n::text, ${id('document', 'n')} ${numbers} WHERE n % 10 <> 0`);
}

/** Too many rows to enter them into a dozen indexes one by one: those are made anew afterwards. Nobody else may write meanwhile. */
export async function withoutIndexes(client, insert) {
  const tables = ['documents', 'jobs', 'document_contents'];
  await client.query(`SET maintenance_work_mem = '256MB'`);
  await client.query('UPDATE pg_index SET indisready = false WHERE indrelid = ANY ($1::regclass[])', [tables]);
  await insert();
  for (const table of tables) await client.query(`REINDEX TABLE ${table}`);
}

/** So that the counters say what is there. */
export async function countDocuments(client) {
  await client.query(
    `UPDATE tenant_quotas q SET used = CASE q.resource WHEN 'documents' THEN d.documents WHEN 'storage_mb' THEN d.bytes ELSE d.points END
       FROM (SELECT tenant_id, count(*) AS documents, sum(size_bytes) AS bytes, sum(chunk_count) AS points FROM documents WHERE is_charged GROUP BY tenant_id) d
      WHERE q.tenant_id = d.tenant_id AND q.resource IN ('documents', 'storage_mb', 'vector_points')`,
  );
}
