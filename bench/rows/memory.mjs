// What the processes have of the machine's memory, when nobody asks for anything and when everybody does.
import { corpus } from '../corpus.mjs';
import { CONNECTIONS } from '../load.mjs';

const LOAD_SECONDS = 4;
const SAMPLE_MS = 200;
/** No other row has a corpus of this number. */
const CORPUS = 1_000_000;

async function ingested(installation) {
  const since = Date.now();
  for (const { name, bytes } of await corpus(CORPUS)) await installation.upload(name, bytes);
  await installation.untilEnded(since);
}

/** @returns the most that the process and its children had while the work was done */
async function most(server, work) {
  const working = work();
  let [done, bytes] = [false, 0];
  const ended = working.finally(() => (done = true));
  while (!done) {
    bytes = Math.max(bytes, await server.residentBytes());
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))]);
  }
  await ended;
  return bytes;
}

const finding = (measure, floor, subject) => ({ measure, unit: 'MB', floor: floor / 1e6, subject: subject / 1e6, ratio: subject / floor, expected: null });

export const memoryRows = [
  {
    name: 'memory',
    title: 'what the API and a worker take of the memory against bare NestJS on Fastify',
    async run(world) {
      const [nest, installation, load] = [await world.floor('bare-nest'), await world.installation(), await world.load()];
      const { api, worker, atRest } = installation;
      const nestAtRest = await nest.residentBytes();
      const workerLoaded = await most(worker, () => ingested(installation));
      const nestLoaded = await most(nest, () => load.round({ url: nest.url, requests: [{ path: '/bench/ping' }] }, LOAD_SECONDS));
      const apiLoaded = await most(api, () => load.round({ url: api.url, requests: Array.from({ length: CONNECTIONS / 2 }, () => installation.requests()).flat() }, LOAD_SECONDS));
      return [
        finding('API at rest', nestAtRest, atRest.api),
        finding('API while it lists and searches', nestLoaded, apiLoaded),
        finding('worker at rest', nestAtRest, atRest.worker),
        finding('worker while it ingests, and its children', nestLoaded, workerLoaded),
      ];
    },
  },
];
