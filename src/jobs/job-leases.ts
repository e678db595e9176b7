import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Transactions } from '../persistence/transactions.js';
import type { JobLease } from './job-handler.js';
import { LeaseLost } from './jobs.errors.js';
import { JobsRepository } from './jobs.repository.js';

/** Six times within a lease: some may fail before a job is lost that is well looked after. */
const RENEWAL_MS = 5000;

/** A job this process runs. */
export interface HeldJob {
  /** Aborts, with `LeaseLost`, once the job is no longer this attempt's. */
  signal: AbortSignal;
  letGo(): void;
}

/** Renews the leases of the jobs this process runs, all in one statement. A process that is dead, stopped or cut off does not, and loses them. */
@Injectable()
export class JobLeases implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(JobLeases.name);
  private readonly held = new Map<JobLease, AbortController>();
  private timer: NodeJS.Timeout | undefined;
  private renewing: Promise<void> | undefined;

  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: JobsRepository,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.held.size > 0 && void (this.renewing ??= this.renew().finally(() => (this.renewing = undefined))), RENEWAL_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.renewing;
  }

  hold(lease: JobLease): HeldJob {
    const lost = new AbortController();
    this.held.set(lease, lost);
    return { signal: lost.signal, letGo: () => this.held.delete(lease) };
  }

  private async renew(): Promise<void> {
    try {
      const lost = await this.transactions.forSystem((tx) => this.jobs.renew(tx, [...this.held.keys()]));
      for (const lease of lost) this.held.get(lease)?.abort(new LeaseLost());
    } catch (error) {
      this.logger.warn({ err: error }, 'leases of running jobs could not be renewed; the next attempt comes soon');
    }
  }
}
