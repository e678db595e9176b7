import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Config } from '../config/config.js';
import type { JobHandler, JobLease } from './job-handler.js';
import { JobObservation, type ObservedAttempt, type WorkResult } from './job-observation.js';
import { JobLeases } from './job-leases.js';
import { JobRegistry } from './job-registry.js';
import type { JobError } from './job.entity.js';
import { JobFailure, LeaseLost } from './jobs.errors.js';
import { JobsService } from './jobs.service.js';
import { nextAttempt } from './next-attempt.js';
import { Queue, type QueuedWork } from './queue.js';

const JOBS_AT_ONCE = 4;
const TASKS_AT_ONCE = 2;

function describe(error: unknown): JobError {
  if (error instanceof JobFailure) return { code: error.code, message: error.message, retryable: !error.permanent };
  return { code: 'internal_error', message: 'Something failed on our side.', retryable: true };
}

/** Runs registered work in processes whose ROLE is `worker` or `all`. */
@Injectable()
export class JobsWorker implements OnApplicationBootstrap {
  private readonly logger = new Logger(JobsWorker.name);

  constructor(
    private readonly config: Config,
    private readonly registry: JobRegistry,
    private readonly queue: Queue,
    private readonly jobs: JobsService,
    private readonly leases: JobLeases,
    private readonly observation: JobObservation,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    for (const queue of [...this.registry.jobs.map((handler) => handler.type), ...this.registry.tasks.map((handler) => handler.name)]) await this.queue.prepare(queue);
    if (this.config.env.ROLE === 'api') return;
    for (const handler of this.registry.jobs) {
      await this.queue.work(handler.type, JOBS_AT_ONCE, (work) => this.observation.observe(handler.type, work, 'lost', (attempt) => this.runJob(handler, work, attempt)), { grows: true });
    }
    for (const handler of this.registry.tasks) await this.queue.work(handler.name, TASKS_AT_ONCE, (work) => this.runTask(handler.name, work, () => handler.run(work.data, work.signal)));
    for (const task of this.registry.schedules) {
      await this.queue.schedule(task.name, task.cron);
      await this.queue.work(task.name, 1, (work) => this.runTask(task.name, work, () => task.run(work.signal)));
    }
  }

  /** Lets running work finish for a while, then hands it back. */
  stop(): Promise<void> {
    return this.queue.stop();
  }

  private async runJob(handler: JobHandler, { id, data, signal }: QueuedWork, attempt: ObservedAttempt): Promise<WorkResult> {
    const lease = await this.jobs.claim(data['tenantId']!, data['jobId']!, id);
    // It ended meanwhile: cancelled, or finished by a worker that could not tell the queue any more. Or another delivery carries it by now.
    if (!lease) return 'obsolete';
    const held = this.leases.hold(lease);
    try {
      if (lease.attempt > lease.maxAttempts) throw new JobFailure('worker_lost', 'The worker died each time it tried.', true);
      const report = (percentage: number, stage: string): Promise<void> => {
        attempt.enter(stage);
        return this.jobs.report(lease, percentage, stage);
      };
      await handler.run({ lease, signal: AbortSignal.any([signal, held.signal]), report });
      return 'finished';
    } catch (error) {
      return await this.afterFailure(handler, lease, held.signal.aborted ? held.signal.reason : error, signal);
    } finally {
      held.letGo();
    }
  }

  private async afterFailure(handler: JobHandler, lease: JobLease, error: unknown, signal: AbortSignal): Promise<WorkResult> {
    // The queue delivers again what is still ours there: the next claim finds out whether there is anything left to do.
    if (error instanceof LeaseLost) throw error;
    const told = describe(error);
    this.logger.warn({ err: error, attempt: lease.attempt, code: told.code }, 'a job attempt failed');
    const next = nextAttempt(lease, handler.maxAttempts, { isRetryable: told.retryable, isStopping: signal.aborted && this.queue.isStopping, retryAfterSeconds: error instanceof JobFailure ? error.retryAfterSeconds : undefined });
    if (next) await this.jobs.putBack(lease, told, next, (tx) => handler.letGo(tx, lease));
    else await this.jobs.fail(lease, told, (tx, stage) => handler.giveUp(tx, lease, told, stage));
    return next ? 'put_back' : 'failed';
  }

  private runTask(name: string, work: QueuedWork, run: () => Promise<void>): Promise<void> {
    return this.observation.observe(name, work, 'put_back', async () => {
      await this.logFailure(run);
      return 'finished';
    });
  }

  private async logFailure(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.logger.warn({ err: error }, 'a task failed and will run again');
      throw error;
    }
  }
}
