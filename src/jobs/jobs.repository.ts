import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import type { AnyTx, SystemTx, TenantTx } from '../persistence/transactions.js';
import { JobEntity, type JobError, type JobStatus } from './job.entity.js';
import type { JobLease } from './job-handler.js';
import { idsMadeWithin } from '../common/id-range.js';

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

/** Of all tenants. */
export interface AnyJobFilter extends Omit<JobFilter, 'databaseIds'> {
  tenantId?: string;
  type?: string;
  createdAfter?: Date;
  createdBefore?: Date;
}

export interface JobPage {
  limit: number;
  before: string | null;
}

/** By the database's clock, the only one that all workers share. */
const LEASE = `now() + interval '30 seconds'`;
/** Of a `JobLease`. */
export const LEASE_COLUMNS = `id, tenant_id AS "tenantId", user_id AS "userId", document_id AS "documentId", type, attempt, max_attempts AS "maxAttempts", turn, deferred_seconds AS "deferredSeconds", remote_type AS "remoteType"`;
/** More than ever run at once in one place; what is left over is found at the next look. */
const EXPIRED_AT_ONCE = 500;

const columnsOf = (leases: readonly JobLease[]): unknown[][] => [leases.map(({ tenantId }) => tenantId), leases.map(({ id }) => id), leases.map(({ attempt }) => attempt)];

const notAmong = (held: readonly Pick<JobLease, 'id' | 'attempt'>[], leases: readonly JobLease[]): JobLease[] =>
  leases.filter((lease) => !held.some(({ id, attempt }) => id === lease.id && attempt === lease.attempt));

@Injectable()
export class JobsRepository {
  async insert(tx: TenantTx, job: Pick<JobEntity, 'id' | 'userId' | 'documentId' | 'type' | 'maxAttempts' | 'deliveryId' | 'priority' | 'turn' | 'remoteType'>): Promise<void> {
    const waiting = job.remoteType === null ? ({ status: 'PENDING', summary: 'Waiting for a worker' } as const) : ({ status: 'WAITING_FOR_REMOTE_WORKER', summary: 'Waiting for a remote worker' } as const);
    await tx.manager.insert(JobEntity, { ...job, ...waiting, tenantId: tx.tenantId });
  }

  /** Takes the job for one more attempt, unless it has ended or the delivery is stale. Two workers at once get two different attempt numbers. */
  async claim(tx: TenantTx, id: string, deliveryId: string): Promise<JobLease | null> {
    const [rows] = await tx.manager.query<[JobLease[], number]>(
      `UPDATE jobs SET status = 'PROCESSING', attempt = attempt + 1, percentage = 0, stage = NULL, summary = 'Started', error = NULL,
              lease_expires_at = ${LEASE}, started_at = COALESCE(started_at, now()), updated_at = now()
        WHERE tenant_id = $1 AND id = $2 AND status IN ('PENDING', 'PROCESSING') AND COALESCE(delivery_id, $3) = $3 AND remote_type IS NULL
        RETURNING ${LEASE_COLUMNS}`,
      [tx.tenantId, id, deliveryId],
    );
    return rows[0] ?? null;
  }

  /**
   * Prolongs what is still held, and answers what is not. A row that somebody is just changing is left for the next time: a statement
   * about many jobs must not wait for one of them.
   */
  async renew(tx: SystemTx, leases: readonly JobLease[]): Promise<JobLease[]> {
    const held = await tx.manager.query<Pick<JobLease, 'id' | 'attempt'>[]>(
      `WITH held AS (
         SELECT tenant_id, id, attempt FROM jobs JOIN unnest($1::uuid[], $2::uuid[], $3::int[]) AS mine (tenant_id, id, attempt) USING (tenant_id, id, attempt)
          WHERE status = 'PROCESSING' AND lease_expires_at > now()
       ), free AS (
         SELECT j.tenant_id, j.id FROM jobs j JOIN held USING (tenant_id, id, attempt) WHERE j.status = 'PROCESSING' FOR NO KEY UPDATE OF j SKIP LOCKED
       ), renewed AS (
         UPDATE jobs j SET lease_expires_at = ${LEASE} FROM free WHERE j.tenant_id = free.tenant_id AND j.id = free.id
       )
       SELECT id, attempt FROM held`,
      columnsOf(leases),
    );
    return notAmong(held, leases);
  }

  /** Those that are not held any more. */
  async listLost(tx: SystemTx, leases: readonly JobLease[]): Promise<JobLease[]> {
    const held = await tx.manager.query<Pick<JobLease, 'id' | 'attempt'>[]>(
      `SELECT id, attempt FROM jobs JOIN unnest($1::uuid[], $2::uuid[], $3::int[]) AS mine (tenant_id, id, attempt) USING (tenant_id, id, attempt)
        WHERE status = 'PROCESSING' AND lease_expires_at > now()`,
      columnsOf(leases),
    );
    return notAmong(held, leases);
  }

  listExpired(tx: SystemTx): Promise<JobLease[]> {
    return tx.manager.query(`SELECT ${LEASE_COLUMNS} FROM jobs WHERE status = 'PROCESSING' AND lease_expires_at <= now() LIMIT ${EXPIRED_AT_ONCE}`);
  }

  /** True for the one caller that takes the job from the attempt whose lease ran out; false as well while somebody is just changing it. */
  async expire(tx: TenantTx, lease: JobLease): Promise<boolean> {
    const [rows] = await tx.manager.query<[unknown[], number]>(
      `WITH expired AS (
         SELECT id FROM jobs WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND status = 'PROCESSING' AND lease_expires_at <= now() FOR NO KEY UPDATE SKIP LOCKED
       )
       UPDATE jobs SET status = CASE WHEN remote_type IS NULL THEN 'PENDING' ELSE 'WAITING_FOR_REMOTE_WORKER' END,
              summary = 'Will be tried again: the worker fell silent', lease_expires_at = NULL, updated_at = now()
         FROM expired WHERE tenant_id = $1 AND jobs.id = expired.id RETURNING jobs.id`,
      [tx.tenantId, lease.id, lease.attempt],
    );
    return rows.length === 1;
  }

  async report(tx: TenantTx, lease: JobLease, percentage: number, stage: string): Promise<boolean> {
    return this.whileHeld(tx, lease, `percentage = GREATEST(percentage, $4), stage = $5, summary = $5`, [percentage, stage]);
  }

  async hold(tx: TenantTx, lease: JobLease): Promise<boolean> {
    return this.whileHeld(tx, lease, 'attempt = attempt', []);
  }

  async finish(tx: TenantTx, lease: JobLease, summary: string, result: object): Promise<boolean> {
    return this.whileHeld(tx, lease, `status = 'FINISHED', lease_expires_at = NULL, percentage = 100, stage = NULL, summary = $4, result = $5, ended_at = now()`, [summary, JSON.stringify(result)]);
  }

  /** Answers the stage it failed in, or null when the job is no longer held. */
  async fail(tx: TenantTx, lease: JobLease, error: JobError): Promise<string | null> {
    const set = `status = 'FAILED', lease_expires_at = NULL, summary = $4, error = $5, ended_at = now()`;
    const [row] = await this.updateHeld(tx, lease, set, [error.message, JSON.stringify(error)]);
    return row ? (row.stage ?? 'start') : null;
  }

  /** Another attempt that does not count raises how many there may be: the number of the attempt only ever rises. */
  async putBack(tx: TenantTx, lease: JobLease, error: JobError, again: { deliveryId: string; deferredSeconds: number; isCounted: boolean }): Promise<boolean> {
    const set = `status = 'PENDING', lease_expires_at = NULL, summary = $4, error = $5, delivery_id = $6, deferred_seconds = deferred_seconds + $7, max_attempts = max_attempts + $8`;
    return this.whileHeld(tx, lease, set, [`Will be tried again: ${error.message}`, JSON.stringify(error), again.deliveryId, again.deferredSeconds, again.isCounted ? 0 : 1]);
  }

  async cancelOfDocument(tx: TenantTx, documentId: string): Promise<void> {
    await tx.manager.query(
      `UPDATE jobs SET status = 'CANCELLED', lease_expires_at = NULL, summary = 'Cancelled', ended_at = now(), updated_at = now()
        WHERE tenant_id = $1 AND document_id = $2 AND status IN ('PENDING', 'WAITING_FOR_REMOTE_WORKER', 'PROCESSING')`,
      [tx.tenantId, documentId],
    );
  }

  async findById(tx: TenantTx, id: string, databaseIds: readonly string[] | null): Promise<JobWithDocument | null> {
    const query = this.ofTenant(tx, { databaseIds }).andWhere('job.id = :id', { id });
    return (await this.read(query))[0] ?? null;
  }

  listNewestFirst(tx: TenantTx, filter: JobFilter, page: JobPage): Promise<JobWithDocument[]> {
    return this.readPage(this.ofTenant(tx, filter), page);
  }

  count(tx: TenantTx, filter: JobFilter): Promise<number> {
    return this.countOf(this.ofTenant(tx, filter));
  }

  listOfAnyTenant(tx: SystemTx, filter: AnyJobFilter, page: JobPage): Promise<JobWithDocument[]> {
    return this.readPage(this.ofAnyTenant(tx, filter), page);
  }

  countOfAnyTenant(tx: SystemTx, filter: AnyJobFilter): Promise<number> {
    return this.countOf(this.ofAnyTenant(tx, filter));
  }

  private ofTenant(tx: TenantTx, filter: JobFilter): SelectQueryBuilder<JobEntity> {
    const query = this.matching(tx, { ...filter, tenantId: tx.tenantId });
    if (filter.databaseIds) query.andWhere('document.database_id = ANY (:databaseIds)', { databaseIds: filter.databaseIds });
    return query;
  }

  /**
   * A range of times is a range of ids as well, which every index ends with: so it narrows each of them, in the order of the list. What is
   * said of the attempt is true of every job, and opens the indexes that are closed to a tenant's own statements (migration 11).
   */
  private ofAnyTenant(tx: SystemTx, filter: AnyJobFilter): SelectQueryBuilder<JobEntity> {
    const query = this.matching(tx, filter).andWhere('job.attempt >= 0');
    const { from, to } = idsMadeWithin(filter.createdAfter, filter.createdBefore);
    if (filter.type !== undefined) query.andWhere('job.type = :type', { type: filter.type });
    if (filter.createdAfter) query.andWhere('job.created_at > :createdAfter AND job.id >= :from', { createdAfter: filter.createdAfter, from });
    if (filter.createdBefore) query.andWhere('job.created_at < :createdBefore AND job.id < :to', { createdBefore: filter.createdBefore, to });
    return query;
  }

  private matching(tx: AnyTx, filter: AnyJobFilter): SelectQueryBuilder<JobEntity> {
    const query = tx.manager
      .createQueryBuilder(JobEntity, 'job')
      .leftJoin('documents', 'document', 'document.tenant_id = job.tenant_id AND document.id = job.document_id');
    if (filter.tenantId !== undefined) query.andWhere('job.tenant_id = :tenantId', { tenantId: filter.tenantId });
    if (filter.status) query.andWhere('job.status = :status', { status: filter.status });
    if (filter.documentId !== undefined) query.andWhere('job.document_id = :documentId', { documentId: filter.documentId });
    return query;
  }

  private readPage(query: SelectQueryBuilder<JobEntity>, page: JobPage): Promise<JobWithDocument[]> {
    if (page.before !== null) query.andWhere('job.id < :before', { before: page.before });
    return this.read(query.orderBy('job.id', 'DESC').limit(page.limit));
  }

  private async read(query: SelectQueryBuilder<JobEntity>): Promise<JobWithDocument[]> {
    const { entities, raw } = await query.addSelect(['document.name', 'document.type']).getRawAndEntities<{ document_name: string | null; document_type: string | null }>();
    return entities.map((job, row) => ({ job, documentName: raw[row]?.document_name ?? null, documentType: raw[row]?.document_type ?? null }));
  }

  /** Not `getCount`, which would sort all ids to count each once: the join adds no row. */
  private async countOf(query: SelectQueryBuilder<JobEntity>): Promise<number> {
    const counted = await query.select('count(*)', 'total').getRawOne<{ total: string }>();
    return Number(counted?.total ?? 0);
  }

  /** Changes the job only while this attempt is the current one and its lease runs: the late write of a worker that lost it changes nothing. */
  private async updateHeld(tx: TenantTx, lease: JobLease, set: string, values: unknown[]): Promise<{ stage: string | null }[]> {
    const [rows] = await tx.manager.query<[{ stage: string | null }[], number]>(
      `UPDATE jobs SET ${set}, updated_at = now()
        WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND status = 'PROCESSING' AND lease_expires_at > now() RETURNING stage`,
      [tx.tenantId, lease.id, lease.attempt, ...values],
    );
    return rows;
  }

  private async whileHeld(tx: TenantTx, lease: JobLease, set: string, values: unknown[]): Promise<boolean> {
    return (await this.updateHeld(tx, lease, set, values)).length === 1;
  }
}
