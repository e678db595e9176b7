import { Controller, Delete, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { Idempotent } from '../idempotency/idempotent.js';
import { CancelledTaskDto } from './dto/cancelled-task.dto.js';
import { JobDto } from './dto/job.dto.js';
import { JobControl } from './job-control.service.js';

@ApiTags('Jobs')
@Controller('api/v1')
@RequirePermission('ingest')
export class JobControlController {
  constructor(private readonly control: JobControl) {}

  /**
   * Cancels a job that has not ended.
   * @remarks
   * At once: what it held is given back, and what it would still have written is refused. A first ingest leaves its document FAILED with
   * `cancelled`; a reprocess leaves the old version as it is. A job that has ended is a 409 `illegal_transition`, whose `allowed` says what can be done instead.
   */
  @Post('jobs/:id/cancel')
  @HttpCode(200)
  cancel(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<JobDto> {
    return this.control.cancel(principal, id);
  }

  /**
   * Tries a job again that failed or was cancelled.
   * @remarks
   * With fresh attempts; `attempt` goes on rising. The document is charged anew: 429 when there is no room, 409 when it was deleted, is another job's by
   * now or its content was sent again, and 409 `illegal_transition` for a job that has not ended or has finished.
   */
  @Post('jobs/:id/retry')
  @Idempotent()
  @HttpCode(202)
  retry(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<JobDto> {
    return this.control.retry(principal, id);
  }

  /** Cancels a job, as MoRAG's clients do it; the `task_id` is the job's id. */
  @Delete('ingest/:task_id')
  cancelTask(@CurrentPrincipal() principal: Principal, @UuidParam('task_id') id: string): Promise<CancelledTaskDto> {
    return this.control.cancelTask(principal, id);
  }
}
