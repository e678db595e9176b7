import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { keepAnswer } from '../idempotency/claim.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { JobDto } from './dto/job.dto.js';
import { CancelledTaskDto } from './dto/cancelled-task.dto.js';
import { JobControlRepository } from './job-control.repository.js';
import { JobDeliveries } from './job-deliveries.js';
import type { JobHandler } from './job-handler.js';
import { JobRegistry } from './job-registry.js';
import { JobTurnsRepository } from './job-turns.repository.js';
import type { JobEntity, JobError } from './job.entity.js';
import { JobNotFound, JobTransitionRefused, JobTypeUnknown } from './jobs.errors.js';
import { JobsRepository, type JobWithDocument } from './jobs.repository.js';

/** What the owner of a document sees in place of what went wrong. */
const CANCELLED: JobError = { code: 'cancelled', message: 'Cancelled on request.', retryable: true };

/** Jobs as people stop them and have them tried again. */
@Injectable()
export class JobControl {
  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: JobsRepository,
    private readonly control: JobControlRepository,
    private readonly turns: JobTurnsRepository,
    private readonly deliveries: JobDeliveries,
    private readonly registry: JobRegistry,
  ) {}

  /** Over at once, with all it held given back; its worker notices within a second, and can write nothing before that either. */
  cancel(principal: Principal, id: string): Promise<JobDto> {
    return this.change(principal, id, (tx, handler) => this.cancelWith(tx, id, handler), (cancelled) => JobDto.from(cancelled));
  }

  cancelTask(principal: Principal, id: string): Promise<CancelledTaskDto> {
    return this.change(principal, id, (tx, handler) => this.cancelWith(tx, id, handler), ({ job }) => ({ task_id: job.id, status: 'cancelled', message: job.summary }));
  }

  /** From the start, with fresh attempts; the number of the attempt goes on rising, since it is what fences off those before. */
  retry(principal: Principal, id: string): Promise<JobDto> {
    return this.change(principal, id, (tx, handler, job) => this.retryWith(tx, job, handler), (retried) => JobDto.from(retried));
  }

  private change<Answer extends object>(
    principal: Principal,
    id: string,
    work: (tx: TenantTx, handler: JobHandler, job: JobEntity) => Promise<void>,
    answerOf: (changed: JobWithDocument) => Answer,
  ): Promise<Answer> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const found = await this.jobs.findById(tx, id, principal.databaseIds);
      if (!found) throw new JobNotFound();
      const handler = this.registry.handlerOf(found.job.type);
      if (!handler) throw new JobTypeUnknown(found.job.type);
      await work(tx, handler, found.job);
      return keepAnswer(tx, answerOf((await this.jobs.findById(tx, id, principal.databaseIds))!));
    });
  }

  /** Locks in the order of everybody else: the job, what it works on, the counters. */
  private async cancelWith(tx: TenantTx, id: string, handler: JobHandler): Promise<void> {
    const cancelled = await this.control.cancel(tx, id);
    if (!cancelled) throw await this.refusal(tx, 'cancel', id);
    await handler.giveUp(tx, cancelled.lease, CANCELLED, cancelled.stage);
  }

  private async retryWith(tx: TenantTx, job: JobEntity, handler: JobHandler): Promise<void> {
    const deliveryId = this.deliveries.newId();
    const turn = await this.turns.next(tx, job.priority);
    const lease = await this.control.retry(tx, job.id, { attempts: handler.maxAttempts, deliveryId, turn });
    if (!lease) throw await this.refusal(tx, 'retry', job.id);
    if (lease.remoteType === null) await this.deliveries.send(tx, lease, deliveryId);
    await handler.retry(tx, lease);
  }

  private async refusal(tx: TenantTx, operation: 'cancel' | 'retry', id: string): Promise<JobNotFound | JobTransitionRefused> {
    const found = await this.jobs.findById(tx, id, null);
    return found ? new JobTransitionRefused(operation, found.job.status) : new JobNotFound();
  }
}
