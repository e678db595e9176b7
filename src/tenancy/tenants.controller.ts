import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, OpenToSuspended, RequirePermission, type Principal } from '../common/principal.js';
import { ResourceQuotasDto } from './dto/quota.dto.js';
import { TenantInfoDto } from './dto/tenant.dto.js';
import { TenantsService } from './tenants.service.js';

@ApiTags('Tenant')
@Controller('api/v1/tenant')
export class TenantsController {
  constructor(private readonly tenants: TenantsService) {}

  /** The tenant with its quotas, usage and configuration. Also answers a suspended tenant. */
  @Get('info')
  @RequirePermission('read')
  @OpenToSuspended()
  info(@CurrentPrincipal() principal: Principal): Promise<TenantInfoDto> {
    return this.tenants.info(principal);
  }

  /** What the tenant may use of each resource, and what it uses. */
  @Get('quotas')
  @RequirePermission('read')
  quotas(@CurrentPrincipal() principal: Principal): Promise<ResourceQuotasDto> {
    return this.tenants.listQuotas(principal);
  }
}
