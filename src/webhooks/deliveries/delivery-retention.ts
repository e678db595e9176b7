import { Injectable } from '@nestjs/common';
import type { ScheduledTask } from '../../jobs/job-handler.js';
import { Transactions } from '../../persistence/transactions.js';
import { DeliveriesRepository } from './deliveries.repository.js';

const REMOVED_AT_ONCE = 5000;

/** Removes deliveries, and their attempts, 30 days after they were made: also those that an endpoint never took which was switched off. */
@Injectable()
export class DeliveryRetention implements ScheduledTask {
  readonly name = 'remove-old-webhook-deliveries';
  readonly cron = '47 3 * * *';

  constructor(
    private readonly transactions: Transactions,
    private readonly deliveries: DeliveriesRepository,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    // Some at a time, so that no transaction is long.
    while (!signal.aborted && (await this.transactions.forSystem((tx) => this.deliveries.removeOld(tx, REMOVED_AT_ONCE))) === REMOVED_AT_ONCE);
  }
}
