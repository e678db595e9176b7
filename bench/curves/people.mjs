// Who calls a server whose database grows: people who registered, each with a key for everything and limits out of reach.
import { randomUUID } from 'node:crypto';
import { TenantCalls } from '../tenant-calls.mjs';
import { ADMINISTRATOR } from '../world.mjs';

const HIGH = 1_000_000_000;
const PERMISSIONS = ['read', 'write', 'ingest', 'process', 'search', 'admin'];

async function withKey(server, client, { email, password }) {
  // Each limit is lifted before its first use: the server may remember it for a while.
  await client.query('UPDATE tenant_quotas SET hard_limit = $1', [HIGH * 1000]);
  const anonymous = new TenantCalls(server.url, 'none');
  const { access_token: token } = await anonymous.call('POST', '/auth/login', { email, password });
  anonymous.close();
  const signedIn = new TenantCalls(server.url, token);
  const { secret_key: key, api_key: made } = await signedIn.call('POST', '/api/v1/api-keys', { name: 'hot', permissions: PERMISSIONS });
  const { databases } = await signedIn.call('GET', '/api/v1/databases');
  signedIn.close();
  // The product lets no key have more than 10,000 calls an hour.
  await client.query('ALTER TABLE api_keys DROP CONSTRAINT IF EXISTS api_keys_rate_limit_per_hour_check');
  await client.query('UPDATE api_keys SET rate_limit_per_hour = $1', [HIGH]);
  const { rows } = await client.query('SELECT tenant_id FROM api_keys WHERE id = $1', [made.id]);
  return { key, calls: new TenantCalls(server.url, key), tenantId: rows[0].tenant_id, userId: made.user_id, databaseId: databases[0]?.id };
}

export async function person(server, client) {
  const who = { email: `${randomUUID()}@example.com`, password: 'correct-horse-battery' };
  const anonymous = new TenantCalls(server.url, 'none');
  await anonymous.call('POST', '/auth/register', { name: 'Ada Lovelace', ...who });
  anonymous.close();
  return withKey(server, client, who);
}

export const administrator = (server, client) => withKey(server, client, ADMINISTRATOR);

/** A probe of one call, always the same or the next of several. */
export const probe = (name, calls, method, pathOf, bodyOf = () => undefined) => ({
  name,
  run: async () => (await calls.timed(method, pathOf(), bodyOf())).milliseconds,
});

let texts = 0;
/** Accepted, and left for a worker that never comes. */
export const acceptText = (name, calls) => ({
  ...probe(name, calls, 'POST', () => '/api/v1/ingest/text', () => ({ title: `Text ${(texts += 1)}`, content: `The text of number ${texts}.` })),
  calls: 1,
});
