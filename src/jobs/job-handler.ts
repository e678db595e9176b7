import type { TenantTx } from '../persistence/transactions.js';
import type { JobEntity, JobError } from './job.entity.js';

/**
 * A claimed job. Its attempt number fences every effect, and a lease by the database's clock bounds it: a worker that lost the job, or did
 * not renew it in time, cannot write any more.
 */
export type JobLease = Pick<JobEntity, 'id' | 'tenantId' | 'userId' | 'documentId' | 'type' | 'attempt' | 'maxAttempts' | 'turn' | 'deferredSeconds' | 'remoteType'>;

export interface JobRun {
  lease: JobLease;
  /** Aborts when the process stops or the job is taken away. */
  signal: AbortSignal;
  /** Says how far the job is; `percentage` 0–100, never less than before within an attempt. */
  report(percentage: number, stage: string): Promise<void>;
}

/** Work that people can watch. `jobs` runs it and knows nothing else about it. */
export interface JobHandler {
  readonly type: string;
  readonly maxAttempts: number;
  /** May run twice; must call `JobsService.finish` in its last transaction. */
  run(run: JobRun): Promise<void>;
  /** Releases what the attempt held while it ran, in the transaction that puts the job back to be tried again. */
  letGo(tx: TenantTx, lease: JobLease): Promise<void>;
  /** Gives back what the job held, in the transaction that fails it for good. */
  giveUp(tx: TenantTx, lease: JobLease, error: JobError, stage: string): Promise<void>;
  /**
   * Takes again what the ended job gave back, in the transaction that makes it PENDING once more.
   * @throws AppError for whoever asked, such as QuotaExceeded, when it cannot
   */
  retry(tx: TenantTx, lease: JobLease): Promise<void>;
}

/** Work behind the scenes that must happen sooner or later, such as removing what a deleted row left in other stores. */
export interface TaskHandler {
  readonly name: string;
  /** May run twice; a throw makes it run again later. */
  run(data: Record<string, string>, signal: AbortSignal): Promise<void>;
}

/** Upkeep by the clock, such as rolling up old rows: once over all processes, however many there are. */
export interface ScheduledTask {
  readonly name: string;
  /** Minute, hour, day of the month, month and day of the week, in UTC. */
  readonly cron: string;
  /**
   * Looks for itself what is due, because it may run twice and late: what was missed while no worker was there is made up for once.
   * A throw makes it run again; until it is done, it is not queued a second time.
   */
  run(signal: AbortSignal): Promise<void>;
}
