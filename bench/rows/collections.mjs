// Whether the number of a tenant's databases, each with a collection of its own, is felt by what happens in one of them.
import { passages, queriesOf } from '../corpus.mjs';

const FEW = 10;
const MANY = 1000;
const ROUNDS = 5;
const A_ROUND = { search: 30, create: 10, ingest: 10 };
const PASSAGES_A_TEXT = 4;
/** In the database that is searched. */
const TEXTS = 20;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Through the whole run, so that nothing comes twice. */
let texts = 0;
let databases = 0;

export async function ingested(calls, databaseId) {
  texts += 1;
  const content = passages(texts * PASSAGES_A_TEXT, PASSAGES_A_TEXT).join('\n\n');
  const begun = performance.now();
  const { task_id: id } = await calls.call('POST', '/api/v1/ingest/text', { title: `Text ${texts}`, content, database_id: databaseId });
  for (;;) {
    const { status, error } = await calls.call('GET', `/api/v1/status/${id}`);
    if (status === 'completed') return performance.now() - begun;
    if (status === 'failed' || status === 'cancelled') throw new Error(`the ingest of a text was ${status}: ${error}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const created = async (calls) => calls.timed('POST', '/api/v1/databases', { name: `database-${(databases += 1)}` });

async function peopled(calls, count) {
  // It has one from the beginning.
  for (let at = 1; at < count - 1; at += 1) await created(calls);
  const { answer } = await created(calls);
  for (let at = 0; at < TEXTS; at += 1) await ingested(calls, answer.id);
  return { calls, databaseId: answer.id };
}

async function round({ calls, databaseId }, taken) {
  const made = [];
  for (const query of queriesOf(TEXTS, A_ROUND.search)) taken.search.push((await calls.timed('POST', '/api/v1/search', { query, database_ids: [databaseId] })).milliseconds);
  for (let at = 0; at < A_ROUND.create; at += 1) {
    const { answer, milliseconds } = await created(calls);
    taken.create.push(milliseconds);
    made.push(answer.id);
  }
  // So that ten stay ten.
  for (const id of made) await calls.call('DELETE', `/api/v1/databases/${id}`);
  for (let at = 0; at < A_ROUND.ingest; at += 1) taken.ingest.push(await ingested(calls, databaseId));
}

const NAMES = { search: 'search, p50', create: 'create a database, p50', ingest: 'ingest a text until it is found, p50' };

export const collectionsRows = [
  {
    name: 'collections',
    // Making a thousand takes minutes.
    isSlow: true,
    title: `one tenant's work in one of ${MANY.toLocaleString('en')} databases against one of ${FEW}`,
    async run(world) {
      const few = await peopled(await world.whole('few'), FEW);
      const many = await peopled(await world.whole('many'), MANY);
      const taken = [few, many].map(() => ({ search: [], create: [], ingest: [] }));
      for (let at = 0; at <= ROUNDS; at += 1) {
        // The first one loads and compiles.
        if (at === 1) for (const times of taken) for (const values of Object.values(times)) values.length = 0;
        await round(few, taken[0]);
        await round(many, taken[1]);
      }
      return Object.entries(NAMES).map(([what, measure]) => {
        const [floor, subject] = taken.map((times) => median(times[what]));
        return { measure, unit: 'ms', floor, subject, ratio: subject / floor, expected: { atMost: 1.2 } };
      });
    },
  },
];
