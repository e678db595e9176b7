import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import { JobEntity, type JobError, type JobStatus } from './job.entity.js';
import type { JobLease } from './job-handler.js';

/** A job beside the document it works on. */
export interface JobWithDocument {
  job: JobEntity;
  documentName: string | null;
  documentType: string | null;
}

export interface JobFilter {
  status?: JobStatus;
  documentId?: string;
  databaseIds: readonly string[] | null;
}

@Injectable()
export class JobsRepository {
  async insert(tx: TenantTx, job: Pick<JobEntity, 'id' | 'userId' | 'documentId' | 'type' | 'maxAttempts'>): Promise<void> {
    await tx.manager.insert(JobEntity, { ...job, tenantId: tx.tenantId, status: 'PENDING', summary: 'Waiting for a worker' });
  }

  /** Takes the job for one more attempt, unless it has ended. Two workers at once get two different attempt numbers. */
  async claim(tx: TenantTx, id: string): Promise<JobLease | null> {
    const [rows] = await tx.manager.query<[JobLease[], number]>(
      `UPDATE jobs SET status = 'PROCESSING', attempt = attempt + 1, percentage = 0, stage = NULL, summary = 'Started', error = NULL,
              started_at = COALESCE(started_at, now()), updated_at = now()
        WHERE tenant_id = $1 AND id = $2 AND status IN ('PENDING', 'PROCESSING')
        RETURNING id, tenant_id AS "tenantId", user_id AS "userId", document_id AS "documentId", type, attempt, max_attempts AS "maxAttempts"`,
      [tx.tenantId, id],
    );
    return rows[0] ?? null;
  }

  async report(tx: TenantTx, lease: JobLease, percentage: number, stage: string): Promise<boolean> {
    return this.whileHeld(tx, lease, `percentage = GREATEST(percentage, $4), stage = $5, summary = $5`, [percentage, stage]);
  }

  async hold(tx: TenantTx, lease: JobLease): Promise<boolean> {
    return this.whileHeld(tx, lease, 'attempt = attempt', []);
  }

  async finish(tx: TenantTx, lease: JobLease, summary: string, result: object): Promise<boolean> {
    return this.whileHeld(tx, lease, `status = 'FINISHED', percentage = 100, stage = NULL, summary = $4, result = $5, ended_at = now()`, [summary, JSON.stringify(result)]);
  }

  /** Answers the stage it failed in, or null when the job is no longer held. */
  async fail(tx: TenantTx, lease: JobLease, error: JobError): Promise<string | null> {
    const set = `status = 'FAILED', summary = $4, error = $5, ended_at = now()`;
    const [row] = await this.updateHeld(tx, lease, set, [error.message, JSON.stringify(error)]);
    return row ? (row.stage ?? 'start') : null;
  }

  async putBack(tx: TenantTx, lease: JobLease, error: JobError): Promise<boolean> {
    return this.whileHeld(tx, lease, `status = 'PENDING', summary = $4, error = $5`, [`Will be tried again: ${error.message}`, JSON.stringify(error)]);
  }

  async cancelOfDocument(tx: TenantTx, documentId: string): Promise<void> {
    await tx.manager.query(
      `UPDATE jobs SET status = 'CANCELLED', summary = 'Cancelled', ended_at = now(), updated_at = now()
        WHERE tenant_id = $1 AND document_id = $2 AND status IN ('PENDING', 'WAITING_FOR_REMOTE_WORKER', 'PROCESSING')`,
      [tx.tenantId, documentId],
    );
  }

  async findById(tx: TenantTx, id: string, databaseIds: readonly string[] | null): Promise<JobWithDocument | null> {
    const [found] = await this.listNewestFirst(tx, { databaseIds }, { limit: 1, before: null, id });
    return found ?? null;
  }

  async listNewestFirst(tx: TenantTx, filter: JobFilter, page: { limit: number; before: string | null; id?: string }): Promise<JobWithDocument[]> {
    const query = tx.manager
      .createQueryBuilder(JobEntity, 'job')
      .leftJoin('documents', 'document', 'document.tenant_id = job.tenant_id AND document.id = job.document_id')
      .addSelect(['document.name', 'document.type'])
      .where('job.tenant_id = :tenantId', { tenantId: tx.tenantId })
      .orderBy('job.id', 'DESC')
      .limit(page.limit);
    if (page.id !== undefined) query.andWhere('job.id = :id', { id: page.id });
    if (page.before !== null) query.andWhere('job.id < :before', { before: page.before });
    if (filter.status) query.andWhere('job.status = :status', { status: filter.status });
    if (filter.documentId !== undefined) query.andWhere('job.document_id = :documentId', { documentId: filter.documentId });
    if (filter.databaseIds) query.andWhere('document.database_id = ANY (:databaseIds)', { databaseIds: filter.databaseIds });
    const { entities, raw } = await query.getRawAndEntities<{ document_name: string | null; document_type: string | null }>();
    return entities.map((job, row) => ({ job, documentName: raw[row]?.document_name ?? null, documentType: raw[row]?.document_type ?? null }));
  }

  /** Changes the job only while this attempt is the current one: the late write of a worker that lost it changes nothing. */
  private async updateHeld(tx: TenantTx, lease: JobLease, set: string, values: unknown[]): Promise<{ stage: string | null }[]> {
    const [rows] = await tx.manager.query<[{ stage: string | null }[], number]>(
      `UPDATE jobs SET ${set}, updated_at = now() WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND status = 'PROCESSING' RETURNING stage`,
      [tx.tenantId, lease.id, lease.attempt, ...values],
    );
    return rows;
  }

  private async whileHeld(tx: TenantTx, lease: JobLease, set: string, values: unknown[]): Promise<boolean> {
    return (await this.updateHeld(tx, lease, set, values)).length === 1;
  }
}
