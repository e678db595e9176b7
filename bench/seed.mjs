// Who calls the server under test: one person with a token and a hot key, made over HTTP, and as many more keys as asked for, made by SQL.
import { randomUUID } from 'node:crypto';
import pg from 'pg';

const KEYS_A_TENANT = 100;
const PASSWORD = 'correct-horse-battery';
/** No bench reaches it, yet every call is counted against it: without any limit a part of the work would be left out. */
const HIGH = 1_000_000_000;

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
  const { secret_key: key } = await call(url, 'POST', '/api/v1/api-keys', { name: 'hot', permissions: ['read'] }, { authorization: `Bearer ${token}` });
  return { token, key };
}

async function insertTenants(client, count) {
  const { rows } = await client.query('INSERT INTO tenants (id) SELECT gen_random_uuid() FROM generate_series(1, $1::int) RETURNING id', [count]);
  await client.query(`INSERT INTO users (id, tenant_id, name, email, email_key, password_hash)
    SELECT t.id, t.id, 'Somebody', t.id || '@example.com', t.id || '@example.com', 'none' FROM tenants t WHERE NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = t.id)`);
  await client.query(`INSERT INTO tenant_quotas (tenant_id, resource, hard_limit)
    SELECT t.id, r, ${HIGH} FROM tenants t, unnest(ARRAY['documents', 'storage_mb', 'api_calls_per_hour', 'vector_points', 'databases', 'api_keys']) AS r ON CONFLICT DO NOTHING`);
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

/** @returns the person's `token`, the hot `key`, and the secrets of all other keys */
export async function seed(url, superuserUrl, keys) {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    // Each limit is lifted before its first use: the server may remember it for a while.
    const email = await register(url);
    await client.query('UPDATE tenant_quotas SET hard_limit = $1', [HIGH]);
    const hot = await signIn(url, email);
    // The product lets no key have more than 10,000 calls an hour; a hot one makes that in a second.
    await client.query('ALTER TABLE api_keys DROP CONSTRAINT IF EXISTS api_keys_rate_limit_per_hour_check');
    await client.query('UPDATE api_keys SET rate_limit_per_hour = $1', [HIGH]);
    return { ...hot, others: await insertKeys(client, keys - 1) };
  } finally {
    await client.end();
  }
}

/** @returns the ids of so many tenants that nobody calls */
export async function seedTenants(superuserUrl, count) {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    const tenants = await insertTenants(client, count);
    // In bytes: a million small documents fit.
    await client.query(`UPDATE tenant_quotas SET hard_limit = hard_limit * 1000 WHERE resource = 'storage_mb'`);
    await client.query('VACUUM (ANALYZE)');
    return tenants;
  } finally {
    await client.end();
  }
}
