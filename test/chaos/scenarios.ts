import { rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { blobsOf } from '../support/disk.js';
import { eventually, waitForTask } from '../support/factories.js';
import { quotasOf } from '../support/quotas.js';
import { cutPower, postmasterOf } from '../support/sandbox.js';
import { obstacleToSmallDisks } from './small-disk.js';
import { EVERY_POINT, POINTS, type Point } from './points.js';
import { attemptsOf, reach, rowsOf, strike } from './strike.js';
import type { World } from './world.js';

/** Something bad that happens to an installation, from which it has to recover by itself. */
export interface Scenario {
  name: string;
  /** Why it cannot be made here. */
  obstacle?: string | null;
  /** Does it, and answers what is still to be done, or to be looked at, once everything has settled. */
  act(world: World): Promise<void | (() => Promise<void>)>;
}

/** How each job must have ended that stood at its point when its worker was struck, and another one was there. */
async function expectTakenOver(world: World, points: readonly Point[], jobIds: readonly string[]): Promise<void> {
  const attempts = await attemptsOf(world, jobIds);
  for (const [at, point] of points.entries()) {
    const { status, attempt } = attempts[at]!;
    // The signal may come when an upsert is over and even the last transaction is.
    const isRepeated = point === POINTS.committed ? [false] : point.midUpsert ? [true, false] : [true];
    expect([point.name, status, isRepeated.includes(attempt > 1)]).toEqual([point.name, 'FINISHED', true]);
  }
}

/** Another worker takes everything up again, but for what had been committed. */
async function killWorkers(world: World, points: readonly Point[]): Promise<() => Promise<void>> {
  const { jobIds, workers } = await strike(world, points, 'SIGKILL');
  await Promise.all(workers.map((worker) => worker.ended()));
  await world.ensureWorker();
  return () => expectTakenOver(world, points, jobIds);
}

/** A worker that was taken for dead comes back when another one has done its jobs, and changes nothing. */
async function stopWorkers(world: World, points: readonly Point[]): Promise<() => Promise<void>> {
  const { jobIds, workers, release } = await strike(world, points, 'SIGSTOP');
  await world.ensureWorker();
  return async () => {
    await expectTakenOver(world, points, jobIds);
    const before = await rowsOf(world, jobIds);
    for (const { child } of workers) child.kill('SIGCONT');
    release();
    // It lets its jobs come to an end, and nobody has to kill it.
    expect(await Promise.all(workers.map((worker) => worker.end('SIGTERM')))).toEqual(workers.map(() => 0));
    expect(await rowsOf(world, jobIds)).toEqual(before);
  };
}

/** Wherever it is by then, its jobs and what it has stored. */
async function killAtAnyMoment(world: World): Promise<void> {
  await world.withoutWorker();
  for (const tenant of world.nextTenants(3)) for (const chunks of [3, 300]) await world.send(world.compose(tenant, chunks));
  const victim = await world.start('worker');
  await delay(world.random.below(1500));
  await victim.end('SIGKILL');
}

/** Nobody else is there: its lease runs out, and when it comes back it has to begin anew. */
async function outsleepLease(world: World): Promise<void> {
  const { jobIds, workers, release } = await strike(world, [POINTS.embedding], 'SIGSTOP');
  const look = () => world.query<{ status: string; reserved: number }>('SELECT j.status, o.reserved_points AS reserved FROM jobs j JOIN documents o ON o.tenant_id = j.tenant_id AND o.id = j.document_id WHERE j.id = $1', [jobIds[0]]);
  await eventually(look, ([row]) => row!.status === 'PENDING' && row!.reserved === 0, 60_000);
  for (const { child } of workers) child.kill('SIGCONT');
  release();
  await eventually(look, ([row]) => row!.status === 'FINISHED', 60_000);
  await expectTakenOver(world, [POINTS.embedding], jobIds);
  // Not left to the end: it would take up what the next scenario means for others.
  expect(await Promise.all(workers.map((worker) => worker.end('SIGTERM')))).toEqual([0]);
}

/** The row is the last of a document to go; whoever removes it is killed before that is committed. */
async function killPurge(world: World): Promise<void> {
  const sent = await world.send(world.compose(world.nextTenants(1)[0]!));
  await world.ensureWorker();
  expect(await waitForTask(sent.tenant.client, sent.jobId!)).toMatchObject({ status: 'completed' });
  await world.withoutWorker();
  const stop = world.proxy.stop('before', (request, transaction) => request.includes('COMMIT') && transaction.includes('DELETE FROM documents') && transaction.includes(sent.documentId!));
  expect((await sent.tenant.client.delete(`/api/v1/documents/${sent.documentId}`)).status).toBe(204);
  sent.isDeleted = true;
  const victim = await world.start('worker');
  await reach('before the removal of a document commits', stop.reached);
  await victim.end('SIGKILL');
}

/** One upload is not committed yet, the other is; neither client is answered. */
async function killApi(world: World): Promise<void> {
  const victim = await world.start('api');
  const places = [
    { where: 'before', isThere: false },
    { where: 'after', isThere: true },
  ] as const;
  // Not of one tenant, whose counters the one that stands before its commit holds.
  const tenants = world.nextTenants(places.length);
  const uploads = places.map((place, at) => {
    const sent = world.compose(tenants[at]!);
    const stop = world.proxy.stop(place.where, (request, transaction) => request.includes('COMMIT') && transaction.includes('INSERT INTO "documents"') && transaction.includes(sent.title));
    return { ...place, sent, stop, sending: world.send(sent, victim.client) };
  });
  await Promise.all(uploads.map(({ where, stop }) => reach(`${where} the commit of an upload`, stop.reached)));
  await victim.end('SIGKILL');
  for (const { sent, sending, isThere } of uploads) {
    expect((await sending).outcome).toBe('unknown');
    await world.send(sent);
    expect([sent.status, sent.code]).toEqual(isThere ? [409, 'duplicate_document'] : [202, null]);
  }
}

/** Clients that send, repeat what was not answered, and read meanwhile: each gets what it asked for, or a 503. */
async function load(world: World, seen: Set<string>, isOver: () => boolean): Promise<void> {
  const client = async (): Promise<void> => {
    while (!isOver()) {
      const [tenant] = world.nextTenants(1);
      const sent = await world.send(world.compose(tenant!, 1));
      seen.add(`${sent.status} ${sent.code}`);
      const { status, body } = await tenant!.client.get('/api/v1/documents?limit=5');
      seen.add(`${status} ${body.code ?? null}`);
      if (sent.outcome === 'unknown') await world.sendUntilAnswered(sent);
      else await delay(100);
    }
  };
  await Promise.all(Array.from({ length: 3 }, client));
  expect([...seen].toSorted()).toEqual(['200 null', '202 null', '503 database_unavailable']);
}

const ENDS_OF_POSTGRES: ((world: World, postmaster: number) => void)[] = [
  // An immediate stop, a postmaster that is gone before its children, and all of it at once.
  (_, postmaster) => void process.kill(postmaster, 'SIGQUIT'),
  (_, postmaster) => void process.kill(postmaster, 'SIGKILL'),
  ({ dataDir }) => cutPower(dataDir),
];

/** It is started again on its port; api and worker are not. */
async function killPostgres(world: World): Promise<void> {
  await world.ensureWorker();
  let isOver = false;
  const seen = new Set<string>();
  const loading = load(world, seen, () => isOver);
  try {
    await eventually(async () => seen, () => seen.has('202 null') && seen.has('200 null'));
    await delay(world.random.below(300));
    const postmaster = postmasterOf(world.dataDir)!;
    world.random.pick(ENDS_OF_POSTGRES)(world, postmaster);
    await eventually(async () => postmasterOf(world.dataDir), (pid) => pid !== null && pid !== postmaster);
    await eventually(() => world.anonymous.get('/health/ready'), ({ status }) => status === 200);
  } finally {
    isOver = true;
    await loading;
  }
}

/** Where its directory was, there is a file: LanceDB finds that out for itself. */
async function loseVectorStore(world: World): Promise<void> {
  await world.ensureWorker();
  const aside = `${world.vectors}.aside`;
  await rename(world.vectors, aside);
  await writeFile(world.vectors, 'This is no directory.');
  try {
    const away = { status: 503, body: { code: 'vector_store_unavailable' } };
    expect(await world.anonymous.get('/health/ready')).toMatchObject(away);
    const sent = await world.send(world.compose(world.nextTenants(1)[0]!));
    expect(sent.status).toBe(202);
    // One that is away is not one that has nothing.
    expect(await sent.tenant.client.post('/api/v1/search', { query: sent.word, mode: 'keyword' })).toMatchObject(away);
    await eventually(() => world.query('SELECT FROM jobs WHERE id = $1 AND error IS NOT NULL', [sent.jobId]), (failed) => failed.length === 1);
  } finally {
    await rm(world.vectors);
    await rename(aside, world.vectors);
  }
}

async function fillDisk(world: World): Promise<void> {
  const sent = world.compose(world.nextTenants(1)[0]!, 500);
  // Without the texts that a worker, which goes on with what came before, puts there meanwhile.
  const look = async () => ({ files: (await blobsOf(world)).filter((name) => !name.endsWith('.text')), quotas: await quotasOf(sent.tenant.client) });
  await world.disk.fill();
  try {
    const before = await look();
    await world.send(sent);
    expect([sent.status, sent.code]).toEqual([507, 'storage_full']);
    const { files, quotas } = await look();
    expect(files).toEqual(before.files);
    for (const resource of ['documents', 'storage_mb']) expect(quotas[resource]).toEqual(before.quotas[resource]);
  } finally {
    await world.disk.empty();
  }
  await world.send(sent);
  expect(sent.status).toBe(202);
}

/** Two and two are of one tenant: with one that stands before its commit, and so holds the tenant's counters, only one that does not need them yet. */
const KILLED_AT = [POINTS.claimed, POINTS.uncommitted, POINTS.parsed, POINTS.committed, POINTS.midUpsert, POINTS.stored, POINTS.embedding];
const STOPPED_AT = [POINTS.storing, POINTS.midUpsert, POINTS.uncommitted];

/**
 * In the order of the short form, which lets all of them happen and then waits once for the recovery from all: the store is back before many
 * jobs are taken up again, which it would put off, and the database is struck while its dead workers are still missed by nobody.
 */
export const SCENARIOS: readonly Scenario[] = [
  { name: 'a worker that is stopped for longer than anybody waits for it', act: (world) => stopWorkers(world, STOPPED_AT) },
  { name: 'a vector store that is away for a while', act: loseVectorStore },
  { name: 'workers that are killed, wherever they stand', act: (world) => killWorkers(world, KILLED_AT) },
  { name: 'a PostgreSQL that dies under load', act: killPostgres },
  { name: 'an api that is killed between commit and answer', act: killApi },
  { name: 'a disk that is full', obstacle: obstacleToSmallDisks, act: fillDisk },
];

/** What the long form has besides. */
export const LONG_SCENARIOS: readonly Scenario[] = [
  { name: 'a worker that is killed at a point', act: (world) => killWorkers(world, [world.random.pick(EVERY_POINT)]) },
  { name: 'a worker that is stopped at a point', act: (world) => stopWorkers(world, [world.random.pick(EVERY_POINT)]) },
  { name: 'a worker that is killed at any moment', act: killAtAnyMoment },
  { name: 'the only worker, stopped for longer than its lease', act: outsleepLease },
  { name: 'a worker that is killed while it removes a document', act: killPurge },
];
