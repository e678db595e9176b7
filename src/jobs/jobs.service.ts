import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../common/pagination.js';
import type { Principal } from '../common/principal.js';
import { Transactions, type SystemTx, type TenantTx } from '../persistence/transactions.js';
import { JobDto, TaskStatusDto, type JobListDto, type ListJobsQueryDto } from './dto/job.dto.js';
import type { JobHandler, JobLease, TaskHandler } from './job-handler.js';
import { JobDeliveries } from './job-deliveries.js';
import type { NextAttempt } from './next-attempt.js';
import { JobTurnsRepository } from './job-turns.repository.js';
import type { JobEntity, JobError, JobPriority } from './job.entity.js';
import { JobNotFound, LeaseLost } from './jobs.errors.js';
import { JobsRepository, type JobWithDocument } from './jobs.repository.js';
import { Queue } from './queue.js';
import type { RemoteType } from './remote-types.js';

export interface EnqueueOptions {
  priority?: JobPriority;
  /** What a worker elsewhere has to read before the queue carries the job. */
  remoteType?: RemoteType | null;
}

/** Jobs as the product enqueues and ends them, and as people watch them. */
@Injectable()
export class JobsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: JobsRepository,
    private readonly turns: JobTurnsRepository,
    private readonly deliveries: JobDeliveries,
    private readonly queue: Queue,
    private readonly cursors: Cursors,
  ) {}

  /** Commits with the caller's transaction, so that there is never a document without its job or the reverse. */
  async enqueue(tx: TenantTx, handler: JobHandler, job: Pick<JobEntity, 'id' | 'userId' | 'documentId'>, { priority = 'normal', remoteType = null }: EnqueueOptions = {}): Promise<void> {
    const { type, maxAttempts } = handler;
    const deliveryId = this.deliveries.newId();
    const turn = await this.turns.next(tx, priority);
    await this.jobs.insert(tx, { ...job, type, maxAttempts, deliveryId, priority, turn, remoteType });
    if (remoteType === null) await this.deliveries.send(tx, { id: job.id, type, turn }, deliveryId);
  }

  async enqueueTask(tx: TenantTx, task: Pick<TaskHandler, 'name'>, data: Record<string, string>, delaySeconds = 0): Promise<void> {
    await this.queue.send(tx, task.name, { ...data, tenantId: tx.tenantId }, tx.tenantId, { delaySeconds });
  }

  /** Work that the installation does on a tenant, not the tenant itself. */
  async enqueueTaskOn(tx: SystemTx, tenantId: string, task: TaskHandler): Promise<void> {
    await this.queue.send(tx, task.name, { tenantId }, tenantId);
  }

  claim(tenantId: string, jobId: string, deliveryId: string): Promise<JobLease | null> {
    return this.transactions.forTenant(tenantId, (tx) => this.jobs.claim(tx, jobId, deliveryId));
  }

  /** @throws LeaseLost */
  async report(lease: JobLease, percentage: number, stage: string): Promise<void> {
    const held = await this.transactions.forTenant(lease.tenantId, (tx) => this.jobs.report(tx, lease, Math.floor(percentage), stage));
    if (!held) throw new LeaseLost();
  }

  /** Locks the job for the rest of the transaction, so that no other attempt comes in between. @throws LeaseLost */
  async hold(tx: TenantTx, lease: JobLease): Promise<void> {
    if (!(await this.jobs.hold(tx, lease))) throw new LeaseLost();
  }

  /** The handler's last word, in the transaction of its effect. @throws LeaseLost, and the effect rolls back */
  async finish(tx: TenantTx, lease: JobLease, summary: string, result: object): Promise<void> {
    if (!(await this.jobs.finish(tx, lease, summary, result))) throw new LeaseLost();
  }

  /** Ends the job for good; `giveUp` returns what it held, in the same transaction. @throws LeaseLost */
  async fail(lease: JobLease, error: JobError, giveUp: (tx: TenantTx, stage: string) => Promise<void>): Promise<void> {
    await this.transactions.forTenant(lease.tenantId, async (tx) => {
      const stage = await this.jobs.fail(tx, lease, error);
      if (stage === null) throw new LeaseLost();
      await giveUp(tx, stage);
    });
  }

  /** For another attempt; `letGo` releases what this one held, in the same transaction. @throws LeaseLost */
  async putBack(lease: JobLease, error: JobError, again: NextAttempt, letGo: (tx: TenantTx) => Promise<void>): Promise<void> {
    const deliveryId = this.deliveries.newId();
    await this.transactions.forTenant(lease.tenantId, async (tx) => {
      const deferredSeconds = again.isDeferred ? Math.ceil(again.delaySeconds) : 0;
      if (!(await this.jobs.putBack(tx, lease, error, { deliveryId, deferredSeconds, isCounted: again.isCounted }))) throw new LeaseLost();
      await this.deliveries.send(tx, lease, deliveryId, again.delaySeconds);
      await letGo(tx);
    });
  }

  cancelOfDocument(tx: TenantTx, documentId: string): Promise<void> {
    return this.jobs.cancelOfDocument(tx, documentId);
  }

  async list(principal: Principal, query: ListJobsQueryDto): Promise<JobListDto> {
    const filter = { status: query.status, documentId: query.document_id, databaseIds: principal.databaseIds };
    const scope = `jobs ${principal.tenantId} ${JSON.stringify(filter)}`;
    const before = this.cursors.decode(query.cursor, scope);
    const { rows, counted } = await this.transactions.forTenantReading(principal.tenantId, async (tx) => ({
      rows: await this.jobs.listNewestFirst(tx, filter, { limit: query.limit + 1, before }),
      counted: query.include_total ? { total: await this.jobs.count(tx, filter) } : {},
    }));
    const page = pageOf(
      rows.map((row) => JobDto.from(row)),
      query.limit,
    );
    return { jobs: page.rows, ...counted, ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  async get(principal: Principal, id: string): Promise<JobDto> {
    return JobDto.from(await this.find(principal, id));
  }

  async taskStatus(principal: Principal, id: string): Promise<TaskStatusDto> {
    return TaskStatusDto.from(await this.find(principal, id));
  }

  private async find(principal: Principal, id: string): Promise<JobWithDocument> {
    const found = await this.transactions.forTenant(principal.tenantId, (tx) => this.jobs.findById(tx, id, principal.databaseIds));
    if (!found) throw new JobNotFound();
    return found;
  }
}
