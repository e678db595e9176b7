import { Injectable } from '@nestjs/common';
import { Outbox } from '../events/outbox.js';
import type { ScheduledTask } from '../jobs/job-handler.js';

/** Lets the outbox forget; here, because `events` and `jobs` stand on one floor. */
@Injectable()
export class EventRetention implements ScheduledTask {
  readonly name = 'remove-old-events';
  readonly cron = '37 3 * * *';

  constructor(private readonly outbox: Outbox) {}

  run(signal: AbortSignal): Promise<void> {
    return this.outbox.removeOld(signal);
  }
}
