import { Controller, Delete, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { CancelledTaskDto } from './dto/cancelled-task.dto.js';
import { JobDto } from './dto/job.dto.js';
import { JobControl } from './job-control.service.js';

@ApiTags('Jobs')
@Controller('api/v1')
@RequirePermission('ingest')
export class JobControlController {
  constructor(private readonly control: JobControl) {}

  /**
   * Cancels a job that has not ended, at once and for good: what it held is given back, and what it would still have written is refused.
   * A first ingest leaves its document FAILED with `cancelled`; a reprocess leaves the old version as it is.
   */
  @Post('jobs/:id/cancel')
  @HttpCode(200)
  cancel(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<JobDto> {
    return this.control.cancel(principal, id);
  }

  /** Tries a job again that failed or was cancelled, from the start and with fresh attempts. Its document is charged anew. */
  @Post('jobs/:id/retry')
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
