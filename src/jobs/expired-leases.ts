import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import type { JobHandler, JobLease } from './job-handler.js';
import { JobRegistry } from './job-registry.js';
import { JobsRepository } from './jobs.repository.js';
import { RemoteJobs } from './remote-jobs.service.js';

const SWEEP_MS = 5000;

/**
 * Puts back the jobs of workers that fell silent, and releases what they held. In every process, whatever its ROLE: a tenant does not wait
 * for a worker to come before it has its quota again. Who runs the job next is the queue's business.
 */
@Injectable()
export class ExpiredLeases implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(ExpiredLeases.name);
  private timer: NodeJS.Timeout | undefined;
  private sweeping: Promise<void> | undefined;

  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: JobsRepository,
    private readonly registry: JobRegistry,
    private readonly remote: RemoteJobs,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void (this.sweeping ??= this.sweep().finally(() => (this.sweeping = undefined))), SWEEP_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.sweeping;
  }

  private async sweep(): Promise<void> {
    try {
      const expired = await this.transactions.forSystem((tx) => this.jobs.listExpired(tx));
      for (const lease of expired) await this.takeBack(lease);
    } catch (error) {
      this.logger.warn({ err: error }, 'expired leases could not be looked for; the next look comes soon');
    }
  }

  /** Locks in the order of everybody else: the job, what it works on, the counters. Of several processes at once, one finds it expired. */
  private async takeBack(lease: JobLease): Promise<void> {
    const handler = this.registry.handlerOf(lease.type);
    // Another version's, which knows what it holds.
    if (!handler) return;
    try {
      if (await this.transactions.forTenant(lease.tenantId, (tx) => this.expire(tx, lease, handler))) {
        this.logger.warn({ job_id: lease.id, attempt: lease.attempt }, 'a worker fell silent; what its job held was released');
      }
    } catch (error) {
      // One that fails must not keep the others waiting.
      this.logger.warn({ err: error, job_id: lease.id }, 'what a silent worker held could not be released; the next attempt comes soon');
    }
  }

  private async expire(tx: TenantTx, lease: JobLease, handler: JobHandler): Promise<boolean> {
    if (lease.remoteType !== null && lease.attempt >= lease.maxAttempts) return this.remote.giveUpSilent(tx, lease, handler);
    if (!(await this.jobs.expire(tx, lease))) return false;
    await handler.letGo(tx, lease);
    return true;
  }
}
