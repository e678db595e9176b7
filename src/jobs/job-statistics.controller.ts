import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { JobStatsDto } from './dto/job-stats.dto.js';
import { JobStatistics } from './job-statistics.service.js';

@ApiTags('Jobs')
@Controller('api/v1/jobs')
@RequirePermission('read')
export class JobStatisticsController {
  constructor(private readonly statistics: JobStatistics) {}

  /** Sums up the jobs: how many there are of each status, how long they take and why they fail. */
  @Get('stats')
  read(@CurrentPrincipal() principal: Principal): Promise<JobStatsDto> {
    return this.statistics.read(principal);
  }
}
