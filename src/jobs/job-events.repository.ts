import { Injectable } from '@nestjs/common';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';
import type { JobEntity } from './job.entity.js';

/** What the trigger wrote of a job's row (migration 17); times as PostgreSQL's JSON has them. */
export type RecordedJob = Pick<JobEntity, 'status' | 'percentage' | 'stage' | 'summary' | 'attempt' | 'error'> & {
  max_attempts: number;
  started_at: string | null;
  ended_at: string | null;
  updated_at: string;
};

export interface JobEvent {
  /** From 1, without gaps, in the order of commits. */
  sequence: number;
  /** `end` is the last one, unless the job is tried again. */
  kind: 'status' | 'progress' | 'end';
  job: RecordedJob;
}

/** A job that somebody watches, and the last event that was told of it. */
export interface WatchedJob {
  tenantId: string;
  jobId: string;
  sequence: number;
}

/** What is new of a watched job: the next event, or that the job or its events are gone. */
export interface News {
  /** Which of those that were asked for, from 0. */
  at: number;
  event: JobEvent | null;
}

/** Streams that were opened so long ago have ended, or have seen the end. */
const KEPT = `interval '24 hours'`;

@Injectable()
export class JobEventsRepository {
  listAfter(tx: TenantTx, jobId: string, sequence: number): Promise<JobEvent[]> {
    return tx.manager.query('SELECT sequence, kind, job FROM job_events WHERE tenant_id = $1 AND job_id = $2 AND sequence > $3 ORDER BY sequence', [tx.tenantId, jobId, sequence]);
  }

  /** Of all that are watched in this process, in one statement; nothing for those of which nothing is new. */
  async listNews(tx: SystemTx, watched: readonly WatchedJob[]): Promise<News[]> {
    const rows = await tx.manager.query<{ at: string; sequence: number | null; kind: JobEvent['kind']; job: RecordedJob }[]>(
      `SELECT w.at, e.sequence, e.kind, e.job
         FROM unnest($1::uuid[], $2::uuid[], $3::int[]) WITH ORDINALITY AS w (tenant_id, job_id, sequence, at)
         LEFT JOIN jobs j ON j.tenant_id = w.tenant_id AND j.id = w.job_id
         LEFT JOIN job_events e ON e.tenant_id = j.tenant_id AND e.job_id = j.id AND e.sequence > w.sequence
        WHERE j.id IS NULL OR j.event_sequence > w.sequence
        ORDER BY w.at, e.sequence`,
      [watched.map(({ tenantId }) => tenantId), watched.map(({ jobId }) => jobId), watched.map(({ sequence }) => sequence)],
    );
    return rows.map(({ at, sequence, kind, job }) => ({ at: Number(at) - 1, event: sequence === null ? null : { sequence, kind, job } }));
  }

  /** Everything up to an end that is a day old. Answers how many ends there were: fewer than `limit` were all. */
  async removeOld(tx: SystemTx, limit: number): Promise<number> {
    const [row] = await tx.manager.query<[{ ends: number }]>(
      `WITH ends AS (SELECT tenant_id, job_id, sequence FROM job_events WHERE kind = 'end' AND created_at < now() - ${KEPT} LIMIT $1),
            removed AS (DELETE FROM job_events e USING ends WHERE e.tenant_id = ends.tenant_id AND e.job_id = ends.job_id AND e.sequence <= ends.sequence)
       SELECT count(*)::int AS ends FROM ends`,
      [limit],
    );
    return row.ends;
  }
}
