// What durability costs an ingest, how long an idle worker leaves one waiting, and how much of it the API's callers notice.
import { corpus } from '../corpus.mjs';

const ROUNDS = 3;
/** For the latency of the queue, each when the one before has ended. */
const SINGLE_DOCUMENTS = 40;
const START_MS = 50;
/** The API is called at a steady pace, whatever the answers take: a caller who waits for a slow one would hide the next. */
const CALLS_A_SECOND = 100;
const CALLING_SECONDS = 3;
/** Enough for the worker to be busy as long as the calls last. */
const BUSY_CORPORA = 3;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const quantile = (values, share) => values.toSorted((a, b) => a - b)[Math.floor(values.length * share)];

/** Rounds are numbered through the whole run, so that no content comes twice. */
let rounds = 0;

/** Sends what is to be ingested while the worker is stopped, so that sending is not part of what is measured. */
async function queueUp(installation, files) {
  await installation.worker.pause();
  for (const { name, bytes } of files) await installation.upload(name, bytes);
}

async function roundOfServer(installation, files) {
  const since = Date.now();
  await queueUp(installation, files);
  const begun = Date.now();
  installation.worker.go();
  return ((await installation.untilEnded(since)) - begun) / 1000;
}

const throughput = {
  name: 'ingest',
  title: 'documents by one worker process against a plain script with the same libraries',
  async run(world) {
    const [installation, plain] = [await world.installation(), await world.floor('plain-ingest')];
    await installation.signInAgain();
    const measured = { floor: [], subject: [], textBytes: 0, documents: 0 };
    for (let round = 0; round <= ROUNDS; round += 1) {
      const files = await corpus((rounds += 1));
      const { seconds, textBytes } = await plain.ask({ files: await world.written(files) });
      const subject = await roundOfServer(installation, files);
      // The first one loads and compiles.
      if (round === 0) continue;
      measured.floor.push(files.length / seconds);
      measured.subject.push(files.length / subject);
      measured.bytesPerDocument = textBytes / files.length;
    }
    const [floor, subject] = [median(measured.floor), median(measured.subject)];
    const megabytes = measured.bytesPerDocument / 1e6;
    const expected = { atLeast: 0.75 };
    return [
      { measure: 'documents', unit: '/s', floor, subject, ratio: subject / floor, expected },
      { measure: 'text', unit: 'MB/s', floor: floor * megabytes, subject: subject * megabytes, ratio: subject / floor, expected },
    ];
  },
};

const latency = {
  name: 'queue-latency',
  title: 'from the 202 to the start of the job, on an idle installation',
  async run(world) {
    const installation = await world.installation();
    await installation.signInAgain();
    const waits = [];
    for (let at = 0; at < SINGLE_DOCUMENTS; at += 1) {
      const since = Date.now();
      const { task_id: id } = await installation.upload(`single-${at}.md`, Buffer.from(`# Single document ${at} of ${since}`));
      const answered = Date.now();
      await installation.untilEnded(since);
      waits.push(Math.max(0, (await installation.startOf(id)) - answered));
    }
    const p50 = median(waits);
    return [{ measure: `start, p50 (floor: the ${START_MS} ms it may take)`, unit: 'ms', floor: START_MS, subject: p50, ratio: p50 / START_MS, expected: { atMost: 1 } }];
  },
};

/** @returns the latencies in ms of calls that are due at fixed times */
async function callSteadily(installation) {
  const calls = [];
  const begun = performance.now();
  for (let due = begun; due < begun + CALLING_SECONDS * 1000; due += 1000 / CALLS_A_SECOND) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    const call = installation.list().then(() => performance.now() - due);
    // Whoever waits for all of them is told, later.
    call.catch(() => undefined);
    calls.push(call);
  }
  return Promise.all(calls);
}

const beside = {
  name: 'api-beside-worker',
  title: 'a list of documents, 100 times a second, while a worker process ingests flat out, against an idle one',
  async run(world) {
    const installation = await world.installation();
    await installation.signInAgain();
    const measured = { floor: [], subject: [] };
    await callSteadily(installation);
    for (let round = 0; round < ROUNDS; round += 1) {
      measured.floor.push(quantile(await callSteadily(installation), 0.95));
      const since = Date.now();
      for (let at = 0; at < BUSY_CORPORA; at += 1) await queueUp(installation, await corpus((rounds += 1)));
      installation.worker.go();
      measured.subject.push(quantile(await callSteadily(installation), 0.95));
      const { open } = await installation.progress(since);
      if (open === 0) throw new Error('the worker had nothing left to do before the calls ended');
      await installation.untilEnded(since);
    }
    const [floor, subject] = [median(measured.floor), median(measured.subject)];
    return [{ measure: 'p95', unit: 'ms', floor, subject, ratio: subject / floor, expected: { atMost: 1.5 } }];
  },
};

export const ingestionRows = [throughput, latency, beside];
