import { Injectable } from '@nestjs/common';
import type { ScheduledTask } from '../jobs/job-handler.js';
import { JobRegistry } from '../jobs/job-registry.js';
import { Months } from '../persistence/months.js';

/** Has the tables of the coming months made long before they begin; here, because `persistence` stands below `jobs`. */
@Injectable()
export class MonthsAhead implements ScheduledTask {
  readonly name = 'open-months';
  readonly cron = '7 3 * * *';

  constructor(
    private readonly months: Months,
    registry: JobRegistry,
  ) {
    registry.registerSchedule(this);
  }

  run(): Promise<void> {
    return this.months.open();
  }
}
