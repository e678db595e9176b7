import { Injectable } from '@nestjs/common';
import type { ScheduledTask } from '../jobs/job-handler.js';
import { Months } from '../persistence/months.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { QuotaHistoryRepository } from './quota-history.repository.js';
import { KEPT_DAYS } from './usage-range.js';
import { UsageRollUpRepository } from './usage-roll-up.repository.js';

/** Makes hours that are long past into days, forgets months of which every day is longer past, and changes nothing the second time. */
@Injectable()
export class UsageRollUp implements ScheduledTask {
  readonly name = 'roll-up-usage';
  readonly cron = '17 3 * * *';

  constructor(
    private readonly transactions: Transactions,
    private readonly usage: UsageRollUpRepository,
    private readonly history: QuotaHistoryRepository,
    private readonly months: Months,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    // A day at a time, so that no transaction is long and one that is cut short leaves the days before it done.
    while (!signal.aborted && (await this.withOldestDay(this.usage, (tx, day) => this.usage.moveDay(tx, day))));
    while (!signal.aborted && (await this.withOldestDay(this.history, (tx, day) => this.history.closeDay(tx, day))));
    await this.transactions.forSystem(async (tx) => {
      await this.history.removeOldDays(tx);
      await this.usage.forgetProcesses(tx);
    });
    // Hours leave their month day by day, for each call is to be in one of the two tables at any moment; what is left of it is empty.
    await this.months.dropOver('usage_hourly', KEPT_DAYS.hour, signal, { onlyEmpty: true });
    await this.months.dropOver('usage_daily', KEPT_DAYS.day, signal);
    await this.months.dropOver('embedding_usage', KEPT_DAYS.day, signal);
  }

  private withOldestDay(hours: { findOldestDay(tx: SystemTx): Promise<Date | null> }, work: (tx: SystemTx, day: Date) => Promise<void>): Promise<boolean> {
    return this.transactions.forSystem(async (tx) => {
      const day = await hours.findOldestDay(tx);
      if (day) await work(tx, day);
      return day !== null;
    });
  }
}
