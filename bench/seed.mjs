// Who calls the server under test: one person with a token and a hot key, made over HTTP, and as many more keys as asked for, made by SQL.
import { randomUUID } from 'node:crypto';
import pg from 'pg';

const KEYS_A_TENANT = 100;
const PASSWORD = 'correct-horse-battery';
/** No bench reaches it, yet every call is counted against it: without any limit a part of the work would be left out. */
const HIGH = 1_000_000_000;
/** That of storage is in bytes: a billion of them would be ten large files. */
const LIFTED = `CASE resource WHEN 'storage_mb' THEN ${HIGH}000 ELSE ${HIGH} END`;

async function call(url, method, path, body, headers = {}) {
  const response = await fetch(`${url}${path}`, { method, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer;
}

async function register(url) {
  const email = `${randomUUID()}@example.com`;
  await call(url, 'POST', '/auth/register', { name: 'Ada Lovelace', email, password: PASSWORD });
  return email;
}

async function signIn(url, email) {
  const { access_token: token } = await call(url, 'POST', '/auth/login', { email, password: PASSWORD });
  return token;
}

async function mintHotKey(url, token) {
  const { secret_key: key } = await call(url, 'POST', '/api/v1/api-keys', { name: 'hot', permissions: ['read'] }, { authorization: `Bearer ${token}` });
  return key;
}

/**
 * Rows that were always there: nobody is told of them, and the audit does not chain them one to the other. Keys into other tables are not checked
 * either. What a server is to learn of, such as a limit that changes, is not written with this.
 */
async function asIfAlwaysThere(client, insert) {
  await client.query('SET session_replication_role = replica');
  try {
    return await insert();
  } finally {
    await client.query('RESET session_replication_role');
  }
}

async function insertTenants(client, count) {
  const { rows } = await client.query('INSERT INTO tenants (id) SELECT gen_random_uuid() FROM generate_series(1, $1::int) RETURNING id', [count]);
  await client.query(`INSERT INTO users (id, tenant_id, name, email, email_key, password_hash)
    SELECT t.id, t.id, 'Somebody', t.id || '@example.com', t.id || '@example.com', 'none' FROM tenants t WHERE NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = t.id)`);
  await client.query(`INSERT INTO tenant_quotas (tenant_id, resource, hard_limit)
    SELECT t.id, resource, ${LIFTED} FROM tenants t, unnest(ARRAY['documents', 'storage_mb', 'api_calls_per_hour', 'vector_points', 'databases', 'api_keys']) AS resource ON CONFLICT DO NOTHING`);
  return rows.map((row) => row.id);
}

async function insertKeys(client, count) {
  const { mintKey } = await import('../dist/src/api-keys/key-format.js');
  const tenants = await insertTenants(client, Math.ceil(count / KEYS_A_TENANT));
  const minted = Array.from({ length: count }, () => mintKey('live'));
  await client.query(
    `INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, environment, permissions, rate_limit_per_hour, lineage_id)
     SELECT id, tenant, tenant, 'key ' || at, hash, prefix, 'live', ARRAY['read'], ${HIGH}, id
       FROM (SELECT gen_random_uuid() AS id, ($1::uuid[])[1 + (at - 1) / ${KEYS_A_TENANT}] AS tenant, at, hash, prefix
               FROM unnest($2::bytea[], $3::text[]) WITH ORDINALITY AS minted (hash, prefix, at)) AS placed`,
    [tenants, minted.map((key) => key.hash), minted.map((key) => key.prefix)],
  );
  // As they would be after a while: an unvacuumed table of this size has no statistics to plan with.
  await client.query('VACUUM (ANALYZE)');
  return minted.map((key) => key.secret);
}

/** @returns the person's `token`, which holds for a quarter of an hour, `signIn` for another one, the hot `key`, and the secrets of all other keys */
export async function seed(url, superuserUrl, keys) {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    // Each limit is lifted before its first use: the server may remember it for a while.
    const email = await register(url);
    await client.query(`UPDATE tenant_quotas SET hard_limit = ${LIFTED}`);
    const token = await signIn(url, email);
    const key = await mintHotKey(url, token);
    // The product lets no key have more than 10,000 calls an hour; a hot one makes that in a second.
    await client.query('ALTER TABLE api_keys DROP CONSTRAINT IF EXISTS api_keys_rate_limit_per_hour_check');
    await client.query('UPDATE api_keys SET rate_limit_per_hour = $1', [HIGH]);
    return { token, key, signIn: () => signIn(url, email), others: await asIfAlwaysThere(client, () => insertKeys(client, keys - 1)) };
  } finally {
    await client.end();
  }
}

/** @returns the ids of so many tenants that nobody calls */
export async function seedTenants(superuserUrl, count) {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    const tenants = await asIfAlwaysThere(client, () => insertTenants(client, count));
    await client.query('VACUUM (ANALYZE)');
    return tenants;
  } finally {
    await client.end();
  }
}

/** @returns the ids of so many documents in this database, ingested, of a file each that nobody has */
export async function seedDocuments(superuserUrl, databaseId, count) {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    const { rows } = await asIfAlwaysThere(client, () =>
      client.query(
        `INSERT INTO documents (id, tenant_id, user_id, database_id, title, name, type, media_type, state, chunk_size, chunk_overlap, chunk_count, size_bytes, content_checksum, blob_key, job_id)
         SELECT uuidv7(), d.tenant_id, u.id, d.id, 'Document ' || n, n || '.md', 'md', 'text/markdown', 'INGESTED', 2000, 200, 1, 1000, n::text, '', uuidv7()
           FROM databases d JOIN users u USING (tenant_id), generate_series(1, $2::int) n WHERE d.id = $1 RETURNING id`,
        [databaseId, count],
      ),
    );
    await client.query('VACUUM (ANALYZE)');
    return rows.map((row) => row.id);
  } finally {
    await client.end();
  }
}
