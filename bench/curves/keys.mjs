// Whether the number of stored keys is felt: by the key that is used, by one that the process has never seen, and by lists of them.
import { Meter, linesOf } from './meter.mjs';
import { person, probe } from './people.mjs';
import { asIfAlwaysThere, id, insertKeys, insertTenants } from './rows.mjs';

const STEPS = [10, 100, 1000, 10_000, 100_000];
const KEYS_A_TENANT = 100;
/** Of a round; they are replaced by new ones before the next, so that each is used once and there are never more. */
const COLD = 3;
const COLD_FROM = 1_000_000;

/** Every second key is of the one holder, the others of as many tenants as it takes. */
const owner = (holder) => `CASE WHEN n % 2 = 0 THEN '${holder}'::uuid ELSE ${id('tenant', `n / ${2 * KEYS_A_TENANT}`)} END`;

async function freshKeys(client, { tenantId, userId }) {
  const { mintKey } = await import('../../dist/src/api-keys/key-format.js');
  const minted = Array.from({ length: COLD }, () => mintKey('live'));
  await client.query('SET session_replication_role = replica');
  await client.query(`DELETE FROM api_keys WHERE tenant_id = $1 AND name LIKE 'cold %'`, [tenantId]);
  await client.query(
    `INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, environment, permissions, rate_limit_per_hour, lineage_id)
     SELECT ${id('key', 'n')}, $1, $2, 'cold ' || n, hash, 'mk_live_0000', 'live', ARRAY['read'], 1000000000, ${id('key', 'n')}
       FROM (SELECT ${COLD_FROM} + at AS n, hash FROM unnest($3::bytea[]) WITH ORDINALITY AS minted (hash, at)) numbered`,
    [tenantId, userId, minted.map(({ hash }) => hash)],
  );
  await client.query('RESET session_replication_role');
  return minted.map(({ secret }) => secret);
}

/** Two people: one who has three keys, and one who has half of all. */
async function probesOf(growing, few, holder) {
  let cold = [];
  const call = (name, calls, path) => probe(name, calls, 'GET', () => path);
  return [
    { ...call('GET with a hot key', few.calls, '/bench/ping'), calls: 25, hasCpu: true, isBare: true },
    {
      name: 'GET with a key never seen',
      calls: COLD,
      before: async () => void (cold = await freshKeys(growing.client, few)),
      run: async () => (await few.calls.as(cold.pop()).timed('GET', '/bench/ping')).milliseconds,
    },
    probe('verify a key', few.calls, 'POST', () => '/api/v1/api-keys/verify', () => ({ key: few.key })),
    call('list 50 keys, of a tenant that has few', few.calls, '/api/v1/api-keys'),
    call('list 50 keys, of a tenant that has half of all', holder.calls, '/api/v1/api-keys'),
  ];
}

export const keysCurve = {
  name: 'keys',
  title: 'Keys that are stored',
  x: 'API keys in the installation',
  async run(world) {
    const growing = await world.growing('keys');
    const { client } = growing;
    const [few, holder] = [await person(growing.server, client), await person(growing.server, client)];
    const meter = new Meter(growing);
    const probes = await probesOf(growing, few, holder);
    const steps = [];
    for (const [step, keys] of STEPS.entries()) {
      const [from, to] = [(STEPS[step - 1] ?? 0) + 1, keys];
      await asIfAlwaysThere(client, async () => {
        await insertTenants(client, step === 0 ? 0 : Math.floor((from - 1) / (2 * KEYS_A_TENANT)) + 1, Math.floor(to / (2 * KEYS_A_TENANT)));
        await insertKeys(client, from, to, owner(holder.tenantId), `sha256(('key ' || n)::bytea)`);
      });
      steps.push({ at: keys, found: await meter.measure(probes) });
    }
    meter.close();
    return linesOf(steps, { 'list 50 keys, of a tenant that has half of all': 'answers `total`, which is counted' });
  },
};
