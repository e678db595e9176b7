import { Injectable } from '@nestjs/common';
import type { ScheduledTask } from '../../jobs/job-handler.js';
import { Months } from '../../persistence/months.js';

const KEPT_DAYS = 30;

/** Removes deliveries, and their attempts, 30 days after the month in which they were made: also those that an endpoint never took which was switched off. */
@Injectable()
export class DeliveryRetention implements ScheduledTask {
  readonly name = 'remove-old-webhook-deliveries';
  readonly cron = '47 3 * * *';

  constructor(private readonly months: Months) {}

  run(signal: AbortSignal): Promise<void> {
    return this.months.dropOver('webhook_deliveries', KEPT_DAYS, signal);
  }
}
