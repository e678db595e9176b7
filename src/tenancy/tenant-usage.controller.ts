import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { TenantUsageDto, TenantUsageQueryDto } from './dto/tenant-usage.dto.js';
import { TenantUsageService } from './tenant-usage.service.js';

@ApiTags('Tenant')
@Controller('api/v1/tenant/usage')
export class TenantUsageController {
  constructor(private readonly usage: TenantUsageService) {}

  /** Requests, errors, response times and bytes by hour or day, how much was embedded, and how many documents, bytes and vectors there were; on request by key or by route. */
  @Get()
  @RequirePermission('read')
  get(@CurrentPrincipal() principal: Principal, @Query() query: TenantUsageQueryDto): Promise<TenantUsageDto> {
    return this.usage.report(principal, query);
  }
}
