// What the API adds to a search of the vector store: authentication, the query's vector, what a reader may see of what was found, the answer.
import { queriesOf } from '../corpus.mjs';

const SIZES = [1000, 10_000, 100_000];
const MODES = ['hybrid', 'vector'];
/** Where the store has an index for vectors, of 1024 numbers each. */
const INDEXED_FROM = 8000;
const ROUNDS = 5;
const QUERIES_A_ROUND = 30;
const TOP_K = 10;
/** What the server asks the store for: some may be hidden. */
const CANDIDATES = 30;
const FILL_MS = 900_000;
const SETTLE_MS = 900_000;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function filled({ plain, calls }, size) {
  const { id } = await calls.call('POST', '/api/v1/databases', { name: `of-${size}` });
  const owner = await plain.ask({ task: 'ownerOf', id });
  await plain.ask({ task: 'fill', owner, size }, FILL_MS);
  await plain.ask({ task: 'settle', collection: owner.collection, indexed: size >= INDEXED_FROM }, SETTLE_MS);
  return owner;
}

async function throughTheApi(calls, { databaseId }, mode, queries) {
  const taken = [];
  for (const query of queries) {
    const { answer, milliseconds } = await calls.timed('POST', '/api/v1/search', { query, mode, top_k: TOP_K, database_ids: [databaseId] });
    if (answer.results.length === 0) throw new Error(`nothing found for ${query}`);
    taken.push(milliseconds);
  }
  return taken;
}

async function measure({ plain, calls }, owner, mode, queries) {
  const taken = { store: [], embedding: [], api: [] };
  // The first round reads what is searched into memory.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const { embedding, searching } = await plain.ask({ task: 'search', owner, mode, queries, limit: CANDIDATES });
    const api = await throughTheApi(calls, owner, mode, queries);
    if (round === 0) continue;
    taken.store.push(...searching);
    taken.embedding.push(...embedding);
    taken.api.push(...api);
  }
  return { store: median(taken.store), embedding: median(taken.embedding), api: median(taken.api) };
}

export const searchRows = [
  {
    name: 'search',
    title: 'a search through the API against the same one put to the store itself',
    async run(world) {
      const searchable = await world.searchable();
      const findings = [];
      for (const size of SIZES) {
        const owner = await filled(searchable, size);
        const queries = queriesOf(size, QUERIES_A_ROUND);
        for (const mode of MODES) {
          const { store, embedding, api } = await measure(searchable, owner, mode, queries);
          const of = `${mode}, ${size.toLocaleString('en')} chunks`;
          findings.push({ measure: `p50, ${of}`, unit: 'ms', floor: store, subject: api, ratio: api / store, expected: size === SIZES.at(-1) ? { atMost: 1.5 } : null });
          findings.push({ measure: `${of}, less the query's vector`, unit: 'ms', floor: store, subject: api - embedding, ratio: (api - embedding) / store, expected: null });
        }
      }
      return findings;
    },
  },
];
