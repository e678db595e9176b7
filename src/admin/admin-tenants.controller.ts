import { Body, Controller, Get, Patch, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RequirePermission, RequireRole } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { ListTenantsQueryDto, TenantInfoDto, TenantListDto, UpdateTenantDto } from '../tenancy/dto/tenant.dto.js';
import { TenantAdministration } from '../tenancy/tenant-administration.service.js';

@ApiTags('Administration')
@Controller('admin/tenants')
@RequirePermission('admin')
@RequireRole('ADMIN')
export class AdminTenantsController {
  constructor(private readonly tenants: TenantAdministration) {}

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

  /** Changes status, quotas or metadata of a tenant. */
  @Patch(':id')
  update(@UuidParam() id: string, @Body() dto: UpdateTenantDto): Promise<TenantInfoDto> {
    return this.tenants.update(id, dto);
  }
}
