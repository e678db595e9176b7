import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import type { JobLease } from './job-handler.js';
import { LEASE_COLUMNS } from './jobs.repository.js';

export interface CancelledJob {
  lease: JobLease;
  /** In which it was. */
  stage: string;
}

/** What people change about a job, each a guarded step from one status to another. */
@Injectable()
export class JobControlRepository {
  /** Null when it is not open any more. */
  async cancel(tx: TenantTx, id: string): Promise<CancelledJob | null> {
    const [rows] = await tx.manager.query<[(JobLease & { stage: string | null })[], number]>(
      `UPDATE jobs SET status = 'CANCELLED', lease_expires_at = NULL, summary = 'Cancelled', error = NULL, ended_at = now(), updated_at = now()
        WHERE tenant_id = $1 AND id = $2 AND status IN ('PENDING', 'WAITING_FOR_REMOTE_WORKER', 'PROCESSING')
        RETURNING ${LEASE_COLUMNS}, stage`,
      [tx.tenantId, id],
    );
    const [row] = rows;
    if (!row) return null;
    const { stage, ...lease } = row;
    return { lease, stage: stage ?? 'start' };
  }

  /** Waits once more, with so many more attempts, for a remote worker where that has not done its part; null when it has not failed and was not cancelled. */
  async retry(tx: TenantTx, id: string, again: { attempts: number; deliveryId: string; turn: number }): Promise<JobLease | null> {
    const [rows] = await tx.manager.query<[JobLease[], number]>(
      `UPDATE jobs SET status = CASE WHEN remote_type IS NULL THEN 'PENDING' ELSE 'WAITING_FOR_REMOTE_WORKER' END, percentage = 0, stage = NULL,
              summary = CASE WHEN remote_type IS NULL THEN 'Waiting for a worker' ELSE 'Waiting for a remote worker' END, error = NULL, result = NULL, ended_at = NULL,
              max_attempts = attempt + $3, delivery_id = $4, turn = $5, deferred_seconds = 0, updated_at = now()
        WHERE tenant_id = $1 AND id = $2 AND status IN ('FAILED', 'CANCELLED')
        RETURNING ${LEASE_COLUMNS}`,
      [tx.tenantId, id, again.attempts, again.deliveryId, again.turn],
    );
    return rows[0] ?? null;
  }
}
