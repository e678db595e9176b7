import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { JobDto, JobListDto, ListJobsQueryDto, TaskStatusDto } from './dto/job.dto.js';
import { JobsService } from './jobs.service.js';

@ApiTags('Jobs')
@Controller('api/v1')
@RequirePermission('read')
export class JobsController {
  constructor(private readonly jobs: JobsService) {}

  /** Lists jobs, newest first. */
  @Get('jobs')
  list(@CurrentPrincipal() principal: Principal, @Query() query: ListJobsQueryDto): Promise<JobListDto> {
    return this.jobs.list(principal, query);
  }

  /** Reads one job. */
  @Get('jobs/:id')
  get(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<JobDto> {
    return this.jobs.get(principal, id);
  }

  /** Reads one job in MoRAG's shape; the `task_id` is the job's id. */
  @Get('status/:task_id')
  status(@CurrentPrincipal() principal: Principal, @UuidParam('task_id') id: string): Promise<TaskStatusDto> {
    return this.jobs.taskStatus(principal, id);
  }
}
