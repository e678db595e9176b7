import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import type { TenantTx } from '../persistence/transactions.js';
import { JobDeliveries } from './job-deliveries.js';
import type { JobHandler, JobLease } from './job-handler.js';
import type { JobError } from './job.entity.js';
import { JobNotFound, RemoteLeaseLost } from './jobs.errors.js';
import { JobsRepository, type JobWithDocument } from './jobs.repository.js';
import { RemoteJobsRepository, type RemoteLease } from './remote-jobs.repository.js';
import type { RemoteAttempt, RemoteType } from './remote-types.js';

const WORKER_LOST: JobError = { code: 'worker_lost', message: 'The remote worker fell silent each time one tried.', retryable: true };
/** The stage in which a remote worker has the job. */
const STAGE = 'remote';

/** Jobs that workers elsewhere take, within the transactions of whoever knows what the jobs work on. */
@Injectable()
export class RemoteJobs {
  constructor(
    private readonly jobs: JobsRepository,
    private readonly remote: RemoteJobsRepository,
    private readonly deliveries: JobDeliveries,
  ) {}

  /** Takes the job whose turn it is for one more attempt; null when none waits. */
  lease(tx: TenantTx, { databaseIds }: Principal, types: readonly RemoteType[]): Promise<RemoteLease | null> {
    return this.remote.lease(tx, types, databaseIds);
  }

  /** @throws JobNotFound when it is not there, or not the principal's to see */
  async find(tx: TenantTx, { databaseIds }: Principal, id: string): Promise<JobWithDocument> {
    const found = await this.jobs.findById(tx, id, databaseIds);
    if (!found) throw new JobNotFound();
    return found;
  }

  /** Locks the job for the rest of the transaction. @throws JobNotFound, RemoteLeaseLost */
  async hold(tx: TenantTx, principal: Principal, attempt: RemoteAttempt): Promise<JobLease> {
    await this.find(tx, principal, attempt.id);
    return held(await this.remote.hold(tx, attempt)).lease;
  }

  /** Answers until when the job is the worker's now. @throws JobNotFound, RemoteLeaseLost */
  async renew(tx: TenantTx, principal: Principal, attempt: RemoteAttempt, progress: { percentage: number | null; message: string | null }): Promise<Date> {
    await this.find(tx, principal, attempt.id);
    return held(await this.remote.renew(tx, attempt, progress)).expiresAt;
  }

  /** What the remote worker had to do is done; the queue carries the rest. @throws JobNotFound, RemoteLeaseLost */
  async goOn(tx: TenantTx, principal: Principal, handler: JobHandler, attempt: RemoteAttempt): Promise<void> {
    await this.find(tx, principal, attempt.id);
    const deliveryId = this.deliveries.newId();
    const { lease } = held(await this.remote.goOn(tx, attempt, { deliveryId, attempts: handler.maxAttempts }));
    await this.deliveries.send(tx, lease, deliveryId);
  }

  /** Waits for another remote worker, or has failed for good, which the answer says. @throws JobNotFound, RemoteLeaseLost */
  async fail(tx: TenantTx, principal: Principal, handler: JobHandler, attempt: RemoteAttempt, error: JobError): Promise<'WAITING_FOR_REMOTE_WORKER' | 'FAILED'> {
    const lease = await this.hold(tx, principal, attempt);
    if (error.retryable && lease.attempt < lease.maxAttempts) {
      held(await this.remote.putBack(tx, attempt, error));
      await handler.letGo(tx, lease);
      return 'WAITING_FOR_REMOTE_WORKER';
    }
    held(await this.remote.fail(tx, attempt, error));
    await handler.giveUp(tx, lease, error, STAGE);
    return 'FAILED';
  }

  /** The last attempt there was ended in silence; false when somebody else ended it. */
  async giveUpSilent(tx: TenantTx, lease: JobLease, handler: JobHandler): Promise<boolean> {
    if (!(await this.remote.failExpired(tx, lease, WORKER_LOST))) return false;
    await handler.giveUp(tx, lease, WORKER_LOST, STAGE);
    return true;
  }
}

function held(lease: RemoteLease | null): RemoteLease {
  if (!lease) throw new RemoteLeaseLost();
  return lease;
}
