import { Injectable } from '@nestjs/common';
import { IdempotencyKeys } from '../idempotency/idempotency-keys.service.js';
import type { ScheduledTask } from '../jobs/job-handler.js';
import { JobRegistry } from '../jobs/job-registry.js';

/** Forgets what was answered a day ago; here, because `idempotency` stands below `jobs`. */
@Injectable()
export class IdempotencyRetention implements ScheduledTask {
  readonly name = 'remove-idempotency-keys';
  readonly cron = '47 * * * *';

  constructor(
    private readonly keys: IdempotencyKeys,
    registry: JobRegistry,
  ) {
    registry.registerSchedule(this);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.keys.removeOld(signal);
  }
}
