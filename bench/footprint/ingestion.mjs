// What it takes to accept documents, and to ingest them.
import { corpus } from '../corpus.mjs';
import { atOnce } from './at-once.mjs';
import { POOL } from './round-trips.mjs';

const SENT_AT_ONCE = 8;
const IDLE_MS = 10_000;

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const difference = (after, before, of) => Object.fromEntries(Object.keys(after).map((name) => [name, Math.round(((after[name] - before[name]) / of) * 10) / 10]));

async function textsOf(count) {
  const texts = [];
  for (let round = 0; texts.length < count; round++) texts.push(...(await corpus(round)).filter(({ type }) => type === 'md').map(({ bytes }) => bytes.toString()));
  return texts.slice(0, count);
}

/** Sends so many while nobody works, and then starts `openWorker`. */
export async function measureIngestion(documents, { calls, database, trips, openWorker }) {
  const texts = await textsOf(documents);
  const [start, tripsAtStart] = [await database.work(), trips.counts[POOL]];
  let documentId;
  await atOnce(texts, SENT_AT_ONCE, async (content, at) => {
    documentId = (await calls.call('POST', '/api/v1/ingest/text', { title: `Document ${at}`, content })).document_id;
  });
  const accepted = await database.work();
  const [before, begun] = [{ ...trips.counts }, performance.now()];
  await openWorker();
  await jobsEnd(database);
  const seconds = (performance.now() - begun) / 1000;
  const after = { ...trips.counts };
  const ingested = await database.work();
  const idle = await idleASecond(trips);
  const roundTripsOf = (owner) => (after[owner] - (before[owner] ?? 0) - idle[owner] * seconds) / documents;
  return {
    documentId,
    idleRoundTripsASecond: idle,
    textBytesADocument: Math.round(texts.reduce((bytes, text) => bytes + Buffer.byteLength(text), 0) / documents),
    accepting: { ...difference(accepted, start, documents), roundTrips: (before[POOL] - tripsAtStart) / documents },
    ingesting: { ...difference(ingested, accepted, documents), roundTrips: roundTripsOf(POOL), roundTripsOfQueue: roundTripsOf('morag-queue'), perSecond: documents / seconds },
  };
}

async function jobsEnd(database) {
  for (;;) {
    const { open, failed } = await database.one(
      `SELECT count(*) FILTER (WHERE status NOT IN ('FINISHED', 'FAILED', 'CANCELLED'))::int AS open, count(*) FILTER (WHERE status IN ('FAILED', 'CANCELLED'))::int AS failed FROM jobs`,
    );
    if (failed > 0) throw new Error(`${failed} jobs failed`);
    if (open === 0) return;
    await sleep(200);
  }
}

async function idleASecond(trips) {
  const before = { ...trips.counts };
  await sleep(IDLE_MS);
  return Object.fromEntries(Object.entries(trips.counts).map(([owner, count]) => [owner, ((count - (before[owner] ?? 0)) * 1000) / IDLE_MS]));
}
