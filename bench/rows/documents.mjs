// What a document costs to read, to list and to take in, beside the work that PostgreSQL and the disk have with it.
import { setTimeout as delay } from 'node:timers/promises';
import { contest, findingsOf } from '../contest.mjs';
import { passages } from '../corpus.mjs';
import { TenantCalls } from '../tenant-calls.mjs';

/** A page of the list. */
const PAGE = 50;
/** That are read in turn. */
const READ = 1000;
/** More than are taken in in one round. */
const TEXTS_A_ROUND = 6000;
/** After so long a server that was just started remembers who is asking. */
const PROVEN_MS = 2000;
/** Different passages; what makes each text another one is its number. */
const PASSAGES = 200;

/** Through the whole run, so that no text comes twice. */
let texts = 0;
const contents = passages(0, PASSAGES);

function text() {
  texts += 1;
  return { title: `Text ${texts}`, content: `Text ${texts}. ${contents[texts % PASSAGES]}` };
}

/** Has the server answer two such requests, and the floor learn what it sent to PostgreSQL for the second and the third. */
async function teach({ server, plain }, route, request) {
  // Only the first one looks up who is asking, once the server has proven that it hears of withdrawals.
  await delay(PROVEN_MS);
  await request();
  const recorded = [];
  for (let at = 0; at < 2; at += 1) {
    await server.ask({ task: 'record' });
    const id = await request();
    recorded.push({ id, ...(await server.ask({ task: 'recorded' })) });
  }
  const [first, second] = recorded;
  // The start of a transaction and what sets role and tenant go together.
  const counts = recorded.map(({ transactions }) => transactions.flat().length - transactions.length);
  if (counts[0] === 0 || counts[0] !== counts[1]) throw new Error(`${route} took ${counts.join(' and then ')} round trips: there is no floor to learn from it`);
  await plain.ask({ task: 'learn', route, id: first.id, first: first.transactions, second: second.transactions });
  return counts[0];
}

function row(name, title, { route, request, requests, status, repeats }) {
  return {
    name,
    title: `${title} against raw pg behind bare node:http, with the same statements`,
    async run(world) {
      const documented = await world.documented();
      const { server, plain, signIn } = documented;
      const token = await signIn();
      const calls = new TenantCalls(server.url, token);
      const trips = await teach(documented, route, () => request(calls, documented)).finally(() => calls.close());
      const contender = (of, headers) => ({ server: of, status, repeats, requests: () => requests(documented).map((one) => ({ ...one, headers: { ...one.headers, ...headers } })) });
      const measured = await contest(await world.load(), contender(plain, {}), contender(server, { authorization: `Bearer ${token}` }));
      return [...findingsOf(measured), { measure: 'round trips to PostgreSQL', unit: '', floor: trips, subject: trips, ratio: 1, expected: null }];
    },
  };
}

let asked = 0;

export const documentRows = [
  row('read-one', 'GET of one document', {
    route: 'read',
    async request(calls, { documents }) {
      const id = documents[(asked += 1)];
      await calls.call('GET', `/api/v1/documents/${id}`);
      return id;
    },
    requests: ({ documents }) => documents.slice(0, READ).map((id) => ({ path: `/api/v1/documents/${id}` })),
  }),
  row('list-50', `GET of the first ${PAGE} of 10,000 documents`, {
    route: 'list',
    request: (calls) => calls.call('GET', `/api/v1/documents?limit=${PAGE}`).then(() => undefined),
    requests: () => [{ path: `/api/v1/documents?limit=${PAGE}` }],
  }),
  row('create', 'POST of a text until the 202, no worker running,', {
    route: 'create',
    status: 202,
    repeats: false,
    request: (calls) => calls.call('POST', '/api/v1/ingest/text', text()).then(({ document_id: id }) => id),
    requests: () => Array.from({ length: TEXTS_A_ROUND }, () => ({ method: 'POST', path: '/api/v1/ingest/text', headers: { 'content-type': 'application/json' }, body: JSON.stringify(text()) })),
  }),
];
