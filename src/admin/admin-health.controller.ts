import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RequirePermission, RequireRole } from '../common/principal.js';
import { InstallationHealthDto } from './dto/installation-health.dto.js';
import { InstallationHealth } from './installation-health.service.js';

@ApiTags('Administration')
@Controller('admin/health')
@RequirePermission('admin')
@RequireRole('ADMIN')
export class AdminHealthController {
  constructor(private readonly health: InstallationHealth) {}

  /** The whole installation at a glance: what it depends on, queues, workers, what waits to be removed, drift, totals. */
  @Get()
  look(): Promise<InstallationHealthDto> {
    return this.health.look();
  }
}
