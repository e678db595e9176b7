import { setTimeout as delay } from 'node:timers/promises';
import type { Breakpoint } from '../support/database-proxy.js';
import type { ServerProcess } from '../support/server-process.js';
import type { Point } from './points.js';
import { JOBS_OF_A_TENANT, JOBS_OF_A_WORKER, nextFileIn, type Sent, type World } from './world.js';

/** Enough that writing them takes longer than it takes to notice the first file. */
const MANY_CHUNKS = 2000;
const REACH_MS = 30_000;

/** Workers that a signal met while each of these jobs stood at its point. */
interface Struck {
  jobIds: string[];
  workers: ServerProcess[];
  /** Lets the jobs of those go on that were not killed. */
  release(): void;
}

/** Waits for a breakpoint; fails when nobody gets there. */
export async function reach(name: string, reached: Promise<void>): Promise<void> {
  const patience = new AbortController();
  const tooLate = delay(REACH_MS, undefined, { signal: patience.signal }).then(
    () => Promise.reject(new Error(`nobody ever stood ${name}: do the statements still read as the breakpoint has them?`)),
    () => undefined,
  );
  await Promise.race([reached, tooLate]);
  patience.abort();
}

/** Sends a document for each point, has workers of their own take them up, and strikes when each stands at its point. */
export async function strike(world: World, points: readonly Point[], signal: 'SIGKILL' | 'SIGSTOP'): Promise<Struck> {
  await world.withoutWorker();
  const tenants = world.nextTenants(Math.ceil(points.length / JOBS_OF_A_TENANT));
  const stops: { point: Point; sent: Sent; jobId: string; breakpoint: Breakpoint }[] = [];
  for (const [at, point] of points.entries()) {
    const sent = await world.send(world.compose(tenants[Math.floor(at / JOBS_OF_A_TENANT)]!, point.midUpsert ? MANY_CHUNKS : 1 + world.random.below(5)));
    expect(sent.status).toBe(202);
    stops.push({ point, sent, jobId: sent.jobId!, breakpoint: world.proxy.stop(point.where, point.matches(sent.jobId!)) });
  }
  const workers = await Promise.all(Array.from({ length: Math.ceil(points.length / JOBS_OF_A_WORKER) }, () => world.start('worker')));
  await Promise.all(stops.map(({ point, breakpoint }) => reach(point.name, breakpoint.reached)));
  const upserting = stops.find(({ point }) => point.midUpsert);
  if (upserting) {
    const fileAppears = nextFileIn(`${await world.collectionOf(upserting.sent)}/data`);
    upserting.breakpoint.release();
    await fileAppears();
  }
  for (const { child } of workers) child.kill(signal);
  return { jobIds: stops.map(({ jobId }) => jobId), workers, release: () => stops.forEach(({ breakpoint }) => breakpoint.release()) };
}

/** In the order of the ids. */
export async function attemptsOf(world: World, jobIds: readonly string[]): Promise<{ status: string; attempt: number }[]> {
  const rows = await world.query<{ id: string; status: string; attempt: number }>('SELECT id, status, attempt FROM jobs WHERE id = ANY ($1)', [jobIds]);
  return jobIds.map((jobId) => rows.find(({ id }) => id === jobId)!);
}

/** Jobs, documents and chunks, every column of them, and the counters of their tenants. */
export function rowsOf(world: World, jobIds: readonly string[]): Promise<unknown[]> {
  return world.query(
    `SELECT to_jsonb(j) AS job, to_jsonb(o) AS document,
            (SELECT jsonb_agg(to_jsonb(c) ORDER BY c.index) FROM document_chunks c WHERE c.tenant_id = j.tenant_id AND c.document_id = o.id) AS chunks,
            (SELECT jsonb_agg(to_jsonb(q) ORDER BY q.resource) FROM tenant_quotas q WHERE q.tenant_id = j.tenant_id) AS quotas
       FROM jobs j JOIN documents o ON o.tenant_id = j.tenant_id AND o.id = j.document_id WHERE j.id = ANY ($1) ORDER BY j.id`,
    [jobIds],
  );
}
