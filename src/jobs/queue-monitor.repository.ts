import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';
import type { JobStatus } from './job.entity.js';
import type { JobCounts, QueueDepth, QueueProcess } from './queue-state.js';
import { QUEUE_SCHEMA } from './queue.setup.js';

@Injectable()
export class QueueMonitorRepository {
  /** From the queue's index of what is not done. */
  listDepths(tx: SystemTx): Promise<QueueDepth[]> {
    return tx.manager.query<QueueDepth[]>(
      `SELECT q.name, count(*) FILTER (WHERE j.state < 'active' AND j.start_after <= now())::int AS waiting, count(*) FILTER (WHERE j.state < 'active' AND j.start_after > now())::int AS delayed,
              count(*) FILTER (WHERE j.state = 'active')::int AS running, count(*) FILTER (WHERE j.state = 'failed')::int AS failed,
              extract(epoch FROM now() - min(j.start_after) FILTER (WHERE j.state < 'active' AND j.start_after <= now()))::float8 AS "oldestWaitingSeconds"
         FROM ${QUEUE_SCHEMA}.queue q LEFT JOIN ${QUEUE_SCHEMA}.job j ON j.name = q.name AND j.state IN ('created', 'retry', 'active', 'failed')
        GROUP BY q.name ORDER BY q.name`,
    );
  }

  /** Those that have not said goodbye; one that is silent for three of its heartbeats is taken for dead, and forgotten after an hour. */
  listProcesses(tx: SystemTx): Promise<QueueProcess[]> {
    return tx.manager.query<QueueProcess[]>(
      `SELECT id, CASE WHEN supervise THEN 'worker' ELSE 'api' END AS role, host, pid, started_on AS "startedAt", heartbeat_on AS "lastSeenAt",
              heartbeat_on > now() - make_interval(secs => 3 * heartbeat_seconds) AS "isAlive"
         FROM ${QUEUE_SCHEMA}.instance WHERE stopped_on IS NULL AND heartbeat_on > now() - interval '1 hour' ORDER BY started_on LIMIT 1000`,
    );
  }

  /** Of those that have ended only the last day's: of all there may be millions. */
  async countJobs(tx: SystemTx): Promise<JobCounts> {
    const rows = await tx.manager.query<{ is_open: boolean; status: JobStatus; jobs: number }[]>(
      `SELECT true AS is_open, status, count(*)::int AS jobs FROM jobs WHERE ended_at IS NULL GROUP BY status
       UNION ALL SELECT false, status, count(*)::int FROM jobs WHERE ended_at > now() - interval '1 day' GROUP BY status`,
    );
    const of = (isOpen: boolean): Partial<Record<JobStatus, number>> => Object.fromEntries(rows.filter((row) => row.is_open === isOpen).map(({ status, jobs }) => [status, jobs]));
    return { open: of(true), endedLastDay: of(false) };
  }
}
