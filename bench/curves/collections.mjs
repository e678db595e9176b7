// Whether the number of a tenant's databases, each with a collection of its own, is felt by what happens in one of them.
import { queriesOf } from '../corpus.mjs';
import { created, ingested } from '../rows/collections.mjs';
import { Meter, linesOf } from './meter.mjs';
import { person, probe } from './people.mjs';

const STEPS = [1, 10, 100, 1000];
/** In the database that is searched. */
const TEXTS = 20;

function probesOf(calls, databaseId) {
  const queries = queriesOf(TEXTS, 50);
  let next = 0;
  let made = [];
  // So that ten stay ten.
  const removeMade = async () => {
    for (const id of made) await calls.call('DELETE', `/api/v1/databases/${id}`);
    made = [];
  };
  const create = async () => {
    const { answer, milliseconds } = await created(calls);
    made.push(answer.id);
    return milliseconds;
  };
  return [
    probe('search in one', calls, 'POST', () => '/api/v1/search', () => ({ query: queries[(next += 1) % queries.length], database_ids: [databaseId] })),
    { name: 'create one', calls: 1, run: create },
    { name: 'ingest a text until it is found', calls: 1, before: removeMade, run: () => ingested(calls, databaseId) },
    probe('list 50', calls, 'GET', () => '/api/v1/databases'),
  ];
}

export const collectionsCurve = {
  name: 'collections',
  title: 'Databases of one tenant',
  x: 'databases of the tenant, each with a collection',
  async run(world) {
    const { server, client } = await world.growing('collections', 'all');
    const { calls, databaseId } = await person(server, client);
    for (let at = 0; at < TEXTS; at += 1) await ingested(calls, databaseId);
    const meter = new Meter({ server, client });
    const probes = probesOf(calls, databaseId);
    const steps = [];
    for (const [step, count] of STEPS.entries()) {
      for (let at = STEPS[step - 1] ?? 1; at < count; at += 1) await created(calls);
      steps.push({ at: count, found: await meter.measure(probes) });
    }
    meter.close();
    return linesOf(steps, { 'list 50': 'ten and more are a longer page than one; from fifty on it is flat' });
  },
};
