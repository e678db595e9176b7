import { Body, Controller, Get, Patch } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, OpenToSuspended, RequirePermission, type Principal } from '../common/principal.js';
import { ResourceQuotasDto } from './dto/quota.dto.js';
import { TenantConfigurationDto, UpdateTenantConfigurationDto } from './dto/tenant-configuration.dto.js';
import { TenantInfoDto } from './dto/tenant.dto.js';
import { TenantConfigurationService } from './tenant-configuration.service.js';
import { TenantsService } from './tenants.service.js';

@ApiTags('Tenant')
@Controller('api/v1/tenant')
export class TenantsController {
  constructor(
    private readonly tenants: TenantsService,
    private readonly configuration: TenantConfigurationService,
  ) {}

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

  /** How the tenant wants its documents taken in, with the defaults of what was never set. */
  @Get('configuration')
  @RequirePermission('read')
  readConfiguration(@CurrentPrincipal() principal: Principal): Promise<TenantConfigurationDto> {
    return this.configuration.read(principal);
  }

  /** Changes the fields that are named, for every request from then on; null takes one back to its default. */
  @Patch('configuration')
  @RequirePermission('admin')
  updateConfiguration(@CurrentPrincipal() principal: Principal, @Body() dto: UpdateTenantConfigurationDto): Promise<TenantConfigurationDto> {
    return this.configuration.update(principal, dto);
  }
}
