import { Injectable } from '@nestjs/common';
import type { ScheduledTask } from '../jobs/job-handler.js';
import { Transactions } from '../persistence/transactions.js';
import { UsageRollUpRepository } from './usage-roll-up.repository.js';

/** Sums hours that are long past into days, forgets days that are longer past, and changes nothing the second time. */
@Injectable()
export class UsageRollUp implements ScheduledTask {
  readonly name = 'roll-up-usage';
  readonly cron = '17 3 * * *';

  constructor(
    private readonly transactions: Transactions,
    private readonly usage: UsageRollUpRepository,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    // A day at a time, so that no transaction is long and one that is cut short leaves the days before it done.
    while (!signal.aborted && (await this.rollUpOldestDay()));
    await this.transactions.forSystem(async (tx) => {
      await this.usage.removeOldDays(tx);
      await this.usage.forgetProcesses(tx);
    });
  }

  private rollUpOldestDay(): Promise<boolean> {
    return this.transactions.forSystem(async (tx) => {
      const day = await this.usage.findOldestDay(tx);
      if (day) await this.usage.moveDay(tx, day);
      return day !== null;
    });
  }
}
