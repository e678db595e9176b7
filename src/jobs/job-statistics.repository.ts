import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import type { JobStatus } from './job.entity.js';

export interface OpenJobs {
  byStage: Record<string, number>;
  oldestPendingSeconds: number | null;
}

export interface RecentJobs {
  finished: number;
  failed: number;
  cancelled: number;
  averageSeconds: number | null;
  p50Seconds: number | null;
  p95Seconds: number | null;
}

const MOST_CODES = 10;
const RECENT = `j.ended_at > now() - interval '24 hours'`;
/** For a key that is bound to databases, only of documents in those. */
const VISIBLE = `($2::uuid[] IS NULL OR EXISTS (SELECT FROM documents d WHERE d.tenant_id = j.tenant_id AND d.id = j.document_id AND d.database_id = ANY ($2)))`;

type DatabaseIds = readonly string[] | null;

/** A tenant's jobs in numbers; `databaseIds` null is all of them. */
@Injectable()
export class JobStatisticsRepository {
  async countByStatus(tx: TenantTx, databaseIds: DatabaseIds): Promise<Partial<Record<JobStatus, number>>> {
    const rows = await tx.manager.query<{ status: JobStatus; jobs: number }[]>(`SELECT j.status, count(*)::int AS jobs FROM jobs j WHERE j.tenant_id = $1 AND ${VISIBLE} GROUP BY j.status`, [
      tx.tenantId,
      databaseIds,
    ]);
    return Object.fromEntries(rows.map(({ status, jobs }) => [status, jobs]));
  }

  async readOpen(tx: TenantTx, databaseIds: DatabaseIds): Promise<OpenJobs> {
    const rows = await tx.manager.query<{ stage: string | null; jobs: number; oldestPendingSeconds: number | null }[]>(
      `SELECT CASE WHEN j.status = 'PROCESSING' THEN COALESCE(j.stage, 'start') END AS stage, count(*)::int AS jobs,
              extract(epoch FROM now() - min(j.updated_at) FILTER (WHERE j.status = 'PENDING'))::float8 AS "oldestPendingSeconds"
         FROM jobs j WHERE j.tenant_id = $1 AND j.status IN ('PENDING', 'PROCESSING') AND ${VISIBLE} GROUP BY 1`,
      [tx.tenantId, databaseIds],
    );
    const staged = rows.filter((row): row is (typeof rows)[number] & { stage: string } => row.stage !== null);
    return { byStage: Object.fromEntries(staged.map(({ stage, jobs }) => [stage, jobs])), oldestPendingSeconds: rows.find(({ stage }) => stage === null)?.oldestPendingSeconds ?? null };
  }

  async readRecent(tx: TenantTx, databaseIds: DatabaseIds): Promise<RecentJobs> {
    const [row] = await tx.manager.query<[RecentJobs]>(
      `SELECT count(*) FILTER (WHERE status = 'FINISHED')::int AS finished, count(*) FILTER (WHERE status = 'FAILED')::int AS failed, count(*) FILTER (WHERE status = 'CANCELLED')::int AS cancelled,
              avg(seconds) AS "averageSeconds", percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS "p50Seconds", percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS "p95Seconds"
         FROM (SELECT j.status, CASE WHEN j.status = 'FINISHED' THEN extract(epoch FROM j.ended_at - j.started_at)::float8 END AS seconds FROM jobs j WHERE j.tenant_id = $1 AND ${RECENT} AND ${VISIBLE}) recent`,
      [tx.tenantId, databaseIds],
    );
    return row;
  }

  listFailures(tx: TenantTx, databaseIds: DatabaseIds): Promise<{ code: string; jobs: number }[]> {
    return tx.manager.query(
      `SELECT COALESCE(j.error ->> 'code', 'unknown') AS code, count(*)::int AS jobs FROM jobs j WHERE j.tenant_id = $1 AND ${RECENT} AND j.status = 'FAILED' AND ${VISIBLE}
        GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${MOST_CODES}`,
      [tx.tenantId, databaseIds],
    );
  }
}
