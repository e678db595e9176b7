import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RequirePermission, RequireRole } from '../common/principal.js';
import { AnyJobListDto, ListAnyJobsQueryDto } from '../jobs/dto/any-job.dto.js';
import { JobAdministration } from '../jobs/job-administration.service.js';

@ApiTags('Administration')
@Controller('admin/jobs')
@RequirePermission('admin')
@RequireRole('ADMIN')
export class AdminJobsController {
  constructor(private readonly jobs: JobAdministration) {}

  /** Lists the jobs of all tenants, newest first. */
  @Get()
  list(@Query() query: ListAnyJobsQueryDto): Promise<AnyJobListDto> {
    return this.jobs.list(query);
  }
}
