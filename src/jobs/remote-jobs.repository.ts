import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import type { JobError } from './job.entity.js';
import type { JobLease } from './job-handler.js';
import { LEASE_COLUMNS } from './jobs.repository.js';
import type { RemoteAttempt, RemoteType } from './remote-types.js';

/** Longer than that of a local worker: a heartbeat has to come over the internet. */
const LEASE = `now() + interval '60 seconds'`;

/** A lease and when it ends. */
export interface RemoteLease {
  lease: JobLease;
  expiresAt: Date;
}

type LeaseRow = JobLease & { expiresAt: Date };

/** The steps of jobs that workers elsewhere lease. Each changes the job only while the attempt is the current one and its lease runs. */
@Injectable()
export class RemoteJobsRepository {
  /** Whose turn it is, of those that nobody else is taking at this moment. */
  async lease(tx: TenantTx, types: readonly RemoteType[], databaseIds: readonly string[] | null): Promise<RemoteLease | null> {
    const [rows] = await tx.manager.query<[LeaseRow[], number]>(
      `WITH next AS (
         SELECT job.id AS next_id FROM jobs job JOIN documents document ON document.tenant_id = job.tenant_id AND document.id = job.document_id
          WHERE job.tenant_id = $1 AND job.status = 'WAITING_FOR_REMOTE_WORKER' AND job.remote_type = ANY ($2) AND ($3::uuid[] IS NULL OR document.database_id = ANY ($3))
          ORDER BY job.turn, job.id LIMIT 1 FOR NO KEY UPDATE OF job SKIP LOCKED
       )
       UPDATE jobs SET status = 'PROCESSING', attempt = attempt + 1, percentage = 0, stage = 'remote', summary = 'Taken by a remote worker', error = NULL,
              lease_expires_at = ${LEASE}, started_at = COALESCE(started_at, now()), updated_at = now()
         FROM next WHERE tenant_id = $1 AND id = next_id
        RETURNING ${LEASE_COLUMNS}, lease_expires_at AS "expiresAt"`,
      [tx.tenantId, types, databaseIds],
    );
    return leaseOf(rows[0]);
  }

  /** The lease as it is, its row locked for the rest of the transaction. */
  hold(tx: TenantTx, attempt: RemoteAttempt): Promise<RemoteLease | null> {
    return this.updateHeld(tx, attempt, 'attempt = attempt', []);
  }

  renew(tx: TenantTx, attempt: RemoteAttempt, progress: { percentage: number | null; message: string | null }): Promise<RemoteLease | null> {
    const set = `lease_expires_at = ${LEASE}, percentage = GREATEST(percentage, $4::smallint), summary = COALESCE($5, summary)`;
    return this.updateHeld(tx, attempt, set, [progress.percentage, progress.message]);
  }

  /** From now on an ordinary job, with so many attempts of its own. */
  goOn(tx: TenantTx, attempt: RemoteAttempt, again: { deliveryId: string; attempts: number }): Promise<RemoteLease | null> {
    const set = `status = 'PENDING', remote_type = NULL, lease_expires_at = NULL, stage = NULL, summary = 'The text is there; waiting for a worker', delivery_id = $4, max_attempts = attempt + $5`;
    return this.updateHeld(tx, attempt, set, [again.deliveryId, again.attempts]);
  }

  putBack(tx: TenantTx, attempt: RemoteAttempt, error: JobError): Promise<RemoteLease | null> {
    return this.updateHeld(tx, attempt, `status = 'WAITING_FOR_REMOTE_WORKER', lease_expires_at = NULL, summary = $4, error = $5`, [`Will be tried again: ${error.message}`, JSON.stringify(error)]);
  }

  fail(tx: TenantTx, attempt: RemoteAttempt, error: JobError): Promise<RemoteLease | null> {
    return this.updateHeld(tx, attempt, `status = 'FAILED', lease_expires_at = NULL, summary = $4, error = $5, ended_at = now()`, [error.message, JSON.stringify(error)]);
  }

  /** True for the one caller that ends the attempt whose lease ran out; false as well while somebody is just changing it. */
  async failExpired(tx: TenantTx, { id, attempt }: RemoteAttempt, error: JobError): Promise<boolean> {
    const [rows] = await tx.manager.query<[unknown[], number]>(
      `WITH expired AS (
         SELECT id AS expired_id FROM jobs WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND status = 'PROCESSING' AND lease_expires_at <= now() FOR NO KEY UPDATE SKIP LOCKED
       )
       UPDATE jobs SET status = 'FAILED', lease_expires_at = NULL, summary = $4, error = $5, ended_at = now(), updated_at = now()
         FROM expired WHERE tenant_id = $1 AND id = expired_id RETURNING id`,
      [tx.tenantId, id, attempt, error.message, JSON.stringify(error)],
    );
    return rows.length === 1;
  }

  private async updateHeld(tx: TenantTx, { id, attempt }: RemoteAttempt, set: string, values: unknown[]): Promise<RemoteLease | null> {
    const [rows] = await tx.manager.query<[LeaseRow[], number]>(
      `UPDATE jobs SET ${set}, updated_at = now()
        WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND status = 'PROCESSING' AND remote_type IS NOT NULL AND lease_expires_at > now()
        RETURNING ${LEASE_COLUMNS}, lease_expires_at AS "expiresAt"`,
      [tx.tenantId, id, attempt, ...values],
    );
    return leaseOf(rows[0]);
  }
}

function leaseOf(row: LeaseRow | undefined): RemoteLease | null {
  if (!row) return null;
  const { expiresAt, ...lease } = row;
  return { lease, expiresAt };
}
