import { Body, Controller, Delete, Get, HttpCode, Patch, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, RequireRole, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { ListTenantsQueryDto, TenantInfoDto, TenantListDto, UpdateTenantDto } from '../tenancy/dto/tenant.dto.js';
import { TenantAdministration } from '../tenancy/tenant-administration.service.js';
import { TenantUpdates } from '../tenancy/tenant-updates.service.js';
import { PurgeTenantQueryDto, TenantPurgeDto } from './dto/tenant-purge.dto.js';
import { TenantPurge } from './tenant-purge.service.js';

@ApiTags('Administration')
@Controller('admin/tenants')
@RequirePermission('admin')
@RequireRole('ADMIN')
export class AdminTenantsController {
  constructor(
    private readonly tenants: TenantAdministration,
    private readonly updates: TenantUpdates,
    private readonly purge: TenantPurge,
  ) {}

  /** Lists all tenants with their quotas and usage, newest first. */
  @Get()
  list(@Query() query: ListTenantsQueryDto): Promise<TenantListDto> {
    return this.tenants.list(query);
  }

  /** One tenant with its quotas and usage. */
  @Get(':id')
  get(@UuidParam() id: string): Promise<TenantInfoDto> {
    return this.tenants.get(id);
  }

  /** Changes status, quotas, configuration or metadata of a tenant. */
  @Patch(':id')
  update(@UuidParam() id: string, @Body() dto: UpdateTenantDto): Promise<TenantInfoDto> {
    return this.updates.update(id, dto);
  }

  /** Removes a tenant with everything it has, for good. Nobody of it gets in any more from the answer on; the rest follows in the background. */
  @Delete(':id')
  @HttpCode(202)
  remove(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Query() query: PurgeTenantQueryDto): Promise<TenantPurgeDto> {
    return this.purge.request(principal, id, query);
  }
}
