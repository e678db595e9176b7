import { Injectable } from '@nestjs/common';
import { Transactions } from '../persistence/transactions.js';
import type { ScheduledTask } from './job-handler.js';
import { JobEventsRepository } from './job-events.repository.js';
import { JobRegistry } from './job-registry.js';

const ENDS_AT_ONCE = 500;

/** Forgets the events of jobs that ended more than a day ago. */
@Injectable()
export class JobEventsRemoval implements ScheduledTask {
  readonly name = 'remove-job-events';
  readonly cron = '17 * * * *';

  constructor(
    private readonly transactions: Transactions,
    private readonly events: JobEventsRepository,
    registry: JobRegistry,
  ) {
    registry.registerSchedule(this);
  }

  async run(signal: AbortSignal): Promise<void> {
    // Some at a time, so that no transaction is long.
    while (!signal.aborted && (await this.transactions.forSystem((tx) => this.events.removeOld(tx, ENDS_AT_ONCE))) === ENDS_AT_ONCE);
  }
}
