// Whether the number of tenants is felt by one of them, by the administrator, and by the memory of a process that serves them all.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { TenantCalls } from '../tenant-calls.mjs';
import { Meter, linesOf } from './meter.mjs';
import { acceptText, administrator, person, probe } from './people.mjs';
import { asIfAlwaysThere, id, insertDocuments, insertKeys, insertTenants, seededId } from './rows.mjs';

const STEPS = [1, 10, 100, 1000, 10_000];
const DOCUMENTS = 100;
const CHARGE_SECONDS = 0.1;
/** As many at each step, of as many tenants in turn as there are: what the calls themselves leave in memory is the same everywhere. */
const SERVED = 10_000;
const CONNECTIONS = 8;

async function grow(client, from, to) {
  const { mintKey } = await import('../../dist/src/api-keys/key-format.js');
  const minted = Array.from({ length: to - from + 1 }, () => mintKey('live'));
  await client.query('CREATE TEMPORARY TABLE minted AS SELECT hash, $1::int - 1 + at AS number FROM unnest($2::bytea[]) WITH ORDINALITY AS minted (hash, at)', [from, minted.map(({ hash }) => hash)]);
  await client.query('CREATE INDEX ON minted (number)');
  await asIfAlwaysThere(client, async () => {
    await insertTenants(client, from, to);
    await insertKeys(client, from, to, id('tenant', 'n'), '(SELECT hash FROM minted WHERE number = n)');
  });
  await client.query('DROP TABLE minted');
  return minted.map(({ secret }) => secret);
}

/** @returns what a process that has served nobody yet has of the memory, in MB, when it has served so many tenants */
async function memoryAfter(growing, keys) {
  const server = await growing.beside('installed');
  let next = 0;
  const serve = async () => {
    const calls = new TenantCalls(server.url, 'none');
    while (next < SERVED) await calls.as(keys[next++ % keys.length]).call('GET', '/api/v1/documents?limit=1');
    calls.close();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, serve));
  const bytes = await residentBytes(server.child.pid);
  await server.stop();
  return bytes / 2 ** 20;
}

async function residentBytes(pid) {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout) * 1024;
}

/** One charge as a worker makes it, of ten at once. */
const charging = (name, charges, tenantIdsOf) => ({
  name,
  calls: 1,
  run: async () => {
    const { answers, seconds } = await charges.ask({ tenantIds: tenantIdsOf(), seconds: CHARGE_SECONDS });
    return (seconds * 1000) / answers;
  },
});

export const tenantsCurve = {
  name: 'tenants',
  title: 'Tenants',
  x: 'tenants in the installation',
  async run(world) {
    const growing = await world.growing('tenants');
    const { server, client } = growing;
    const [admin, one] = [await administrator(server, client), await person(server, client)];
    await asIfAlwaysThere(client, () => insertDocuments(client, 1, DOCUMENTS, { tenant: `'${one.tenantId}'::uuid`, user: `'${one.userId}'::uuid`, database: `'${one.databaseId}'::uuid` }));
    const charges = await growing.beside('charges');
    const meter = new Meter(growing);
    const keys = [];
    let tenants = [];
    const get = (name, calls, path) => probe(name, calls, 'GET', () => path);
    const probes = [
      { ...get('GET with a hot key', one.calls, '/bench/ping'), calls: 25, hasCpu: true, isBare: true },
      get('list 50 documents', one.calls, '/api/v1/documents'),
      acceptText('accept a text', one.calls),
      charging('a charge of one tenant, ten at once', charges, () => tenants.slice(0, 1)),
      charging('a charge of any tenant, ten at once', charges, () => tenants),
      get('administrator lists 50 tenants', admin.calls, '/admin/tenants'),
    ];
    const steps = [];
    for (const [step, count] of STEPS.entries()) {
      const from = (STEPS[step - 1] ?? 0) + 1;
      keys.push(...(await grow(client, from, count)));
      tenants = Array.from({ length: count }, (_, at) => seededId('tenant', 1 + at));
      const found = await meter.measure(probes);
      const memory = await memoryAfter(growing, keys);
      steps.push({ at: count, found: [...found, { name: 'memory of a process that has served each', unit: 'MB', cost: memory, relative: memory }] });
    }
    meter.close();
    return linesOf(steps, { 'administrator lists 50 tenants': 'answers `total`, which is counted, over all tenants' });
  },
};
