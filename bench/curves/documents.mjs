// Whether the number of documents is felt: those of all others by a tenant that has few, and its own by a tenant that has most of them.
import { Meter, linesOf } from './meter.mjs';
import { acceptText, person, probe } from './people.mjs';
import { asIfAlwaysThere, countDocuments, id, insertDocuments, insertTenants, seededId, timeOf, withoutIndexes } from './rows.mjs';

const STEPS = [1000, 10_000, 100_000, 1_000_000];
/** Of the tenant that stays as it is. */
const FEW = 1000;
const FEW_FROM = 10_000_000;
/** Beside the two that call, with a fifth of what the large one has. */
const TENANTS = 1000;
const OTHERS_FROM = 20_000_000;

const sql = ({ tenantId, userId, databaseId }) => ({ tenant: `'${tenantId}'::uuid`, user: `'${userId}'::uuid`, database: `'${databaseId}'::uuid` });
const OTHERS = { tenant: id('tenant', `n % ${TENANTS}`), user: id('tenant', `n % ${TENANTS}`), database: id('database', `n % ${TENANTS}`) };

/** The next of the tenant's documents, from its oldest on, none of which has failed. */
function removal(name, calls, first) {
  let next = first;
  return { ...probe(name, calls, 'DELETE', () => `/api/v1/documents/${seededId('document', (next += 1) % 10 === 0 ? (next += 1) : next)}`), calls: 1 };
}

/** @param first, countOf the numbers of its documents: before the first, and how many there are by now */
function probesOf(whose, { calls }, first, countOf) {
  const midst = () => first + Math.floor(countOf() / 2);
  const get = (name, pathOf) => probe(`${name}${whose}`, calls, 'GET', pathOf);
  let cursor;
  const deep = () => `/api/v1/documents?created_before=${timeOf(midst())}`;
  return [
    get('read one', () => `/api/v1/documents/${seededId('document', midst() + 1)}`),
    get('list 50', () => '/api/v1/documents'),
    { ...get('list 50, deep', () => `${deep()}&cursor=${cursor}`), before: async () => void (cursor = (await calls.call('GET', deep())).next_cursor) },
    get('list 50 of a type', () => '/api/v1/documents?type=docx'),
    get('list 50 that failed', () => '/api/v1/documents?state=FAILED'),
    get('list 50 with a rare word in the title', () => '/api/v1/documents?query=rare'),
    get('list 50 jobs', () => '/api/v1/jobs'),
    acceptText(`accept a text${whose}`, calls),
    removal(`delete one${whose}`, calls, first),
    get('statistics', () => '/api/v1/documents/stats'),
    get('list databases', () => '/api/v1/databases'),
  ];
}

const OF_FEW = ', by who has few';

/** Both curves at once: what the installation grows by is mostly the large tenant's. */
async function bothCurves(world) {
  const growing = await world.growing('documents');
  const { server, client } = growing;
  const [few, large] = [await person(server, client), await person(server, client)];
  await asIfAlwaysThere(client, async () => {
    await insertTenants(client, 0, TENANTS - 1);
    await insertDocuments(client, FEW_FROM + 1, FEW_FROM + FEW, sql(few));
  });
  const meter = new Meter(growing);
  let count = 0;
  const probes = [...probesOf('', large, 0, () => count), ...probesOf(OF_FEW, few, FEW_FROM, () => FEW)];
  const steps = [];
  for (const [step, documents] of STEPS.entries()) {
    const from = (STEPS[step - 1] ?? 0) + 1;
    await asIfAlwaysThere(client, async () => {
      await withoutIndexes(client, async () => {
        await insertDocuments(client, from, documents, sql(large));
        await insertDocuments(client, OTHERS_FROM + Math.ceil(from / 5), OTHERS_FROM + documents / 5, OTHERS);
      });
      await countDocuments(client);
    });
    count = documents;
    steps.push({ at: documents, found: await meter.measure(probes) });
  }
  meter.close();
  return steps;
}

/** Measured once, read twice. */
const measured = new WeakMap();
function stepsOf(world) {
  if (!measured.has(world)) measured.set(world, bothCurves(world));
  return measured.get(world);
}

export const documentsCurves = [
  {
    name: 'documents',
    title: 'Documents of all others',
    x: 'documents of others in the installation',
    async run(world) {
      const steps = await stepsOf(world);
      const own = ({ name }) => name.endsWith(OF_FEW);
      const short = (one) => ({ ...one, name: one.name.slice(0, -OF_FEW.length) });
      return linesOf(steps.map(({ at, found }) => ({ at: at * 1.2, found: found.filter(own).map(short) })));
    },
  },
  {
    name: 'tenant-documents',
    title: 'Documents of one tenant',
    x: 'documents of the tenant that calls',
    async run(world) {
      const steps = await stepsOf(world);
      return linesOf(
        steps.map(({ at, found }) => ({ at, found: found.filter(({ name }) => !name.endsWith(OF_FEW)) })),
        {
          statistics: 'reads every document of the tenant',
          'list databases': 'reads every document of each database, to count them',
          'list 50 with a rare word in the title': 'reads the titles until fifty match',
        },
      );
    },
  },
];
