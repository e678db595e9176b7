import { Injectable } from '@nestjs/common';
import { AuditUpkeep } from '../audit/audit-upkeep.service.js';
import type { ScheduledTask } from '../jobs/job-handler.js';

/** Lets the audit forget; here, because `audit` and `jobs` stand on one floor. */
@Injectable()
export class AuditRetention implements ScheduledTask {
  readonly name = 'remove-old-audit';
  readonly cron = '47 3 * * *';

  constructor(private readonly audit: AuditUpkeep) {}

  run(signal: AbortSignal): Promise<void> {
    return this.audit.removeOld(signal);
  }
}
