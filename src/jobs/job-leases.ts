import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Transactions } from '../persistence/transactions.js';
import type { JobLease } from './job-handler.js';
import { LeaseLost } from './jobs.errors.js';
import { JobTurnsRepository } from './job-turns.repository.js';
import { JobsRepository } from './jobs.repository.js';

/** So soon a worker notices that its job was cancelled. */
const LOOK_MS = 1000;
/** Each so many looks renew: six times within a lease, so some may fail before a job is lost that is well looked after. */
const LOOKS_A_RENEWAL = 5;

/** A job this process runs. */
export interface HeldJob {
  /** Aborts, with `LeaseLost`, once the job is no longer this attempt's. */
  signal: AbortSignal;
  letGo(): void;
}

/** Looks after the leases of the jobs this process runs, all in one statement: whether they are still held, and now and then renewing them. A process that is dead, stopped or cut off does not, and loses them. */
@Injectable()
export class JobLeases implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(JobLeases.name);
  private readonly held = new Map<JobLease, AbortController>();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private looks = 0;
  /** Of the jobs that were started here, the one furthest ahead, and how much of that the others know. */
  private turn = 0;
  private announcedTurn = 0;

  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: JobsRepository,
    private readonly turns: JobTurnsRepository,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      if (this.held.size > 0 || this.turn > this.announcedTurn) void (this.looking ??= this.look().finally(() => (this.looking = undefined)));
    }, LOOK_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  hold(lease: JobLease): HeldJob {
    const lost = new AbortController();
    this.held.set(lease, lost);
    this.turn = Math.max(this.turn, lease.turn);
    return { signal: lost.signal, letGo: () => this.held.delete(lease) };
  }

  private async look(): Promise<void> {
    const [held, turn] = [[...this.held.keys()], this.turn];
    const renews = ++this.looks % LOOKS_A_RENEWAL === 0;
    try {
      const lost = await this.transactions.forSystem(async (tx) => {
        if (turn > this.announcedTurn) await this.turns.advance(tx, turn);
        return renews ? this.jobs.renew(tx, held) : this.jobs.listLost(tx, held);
      });
      this.announcedTurn = Math.max(this.announcedTurn, turn);
      for (const lease of lost) this.held.get(lease)?.abort(new LeaseLost());
    } catch (error) {
      this.logger.warn({ err: error }, 'leases of running jobs could not be looked after; the next attempt comes soon');
    }
  }
}
