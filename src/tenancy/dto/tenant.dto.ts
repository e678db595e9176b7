import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { ArrayMaxSize, IsArray, IsIn, IsInt, IsObject, IsOptional, IsString, Max, MaxLength, Min, ValidateIf, ValidateNested } from 'class-validator';
import { PageInfoDto, SkipPageQueryDto } from '../../common/pagination.js';
import { TENANT_STATUSES, type TenantStatus } from '../../common/principal.js';
import { AsSent, Omittable } from '../../common/validation.js';
import { RESOURCES, type QuotaEntity, type Resource } from '../quota.entity.js';
import type { TenantOverview } from '../tenants.repository.js';
import { ResourceQuotaDto, ResourceQuotasDto } from './quota.dto.js';
import { TenantConfigurationDto, UpdateTenantConfigurationDto } from './tenant-configuration.dto.js';

/** A tenant beside the person who owns it; a row of the administrator's list. */
export class TenantSummaryDto {
  @ApiProperty({ format: 'uuid' })
  tenant_id: string;
  @ApiProperty({ format: 'uuid' })
  user_id: string;
  user_name: string;
  user_email: string;
  @ApiProperty({ enum: TENANT_STATUSES })
  status: TenantStatus;
  created_at: Date;
  last_login: Date | null;
  /** When it was asked to remove everything of the tenant, which then goes on until it is done; null otherwise. */
  purge_requested_at: Date | null;

  static summarize(tenant: TenantOverview): TenantSummaryDto {
    return {
      tenant_id: tenant.id,
      user_id: tenant.userId,
      user_name: tenant.userName,
      user_email: tenant.userEmail,
      status: tenant.status,
      created_at: tenant.createdAt,
      last_login: tenant.lastLoginAt,
      purge_requested_at: tenant.purgeRequestedAt,
    };
  }
}

/** A tenant with its owner, quotas and usage. */
export class TenantInfoDto extends TenantSummaryDto {
  quotas: ResourceQuotasDto;
  configuration: TenantConfigurationDto;
  /** What exists now, by resource type. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'number' } })
  usage_stats: Record<string, number>;
  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata: Record<string, unknown>;

  static from(tenant: TenantOverview, quotas: QuotaEntity[], configuration: TenantConfigurationDto): TenantInfoDto {
    const resources = quotas.map((quota) => ResourceQuotaDto.from(quota));
    return {
      ...TenantSummaryDto.summarize(tenant),
      quotas: { quotas: resources },
      configuration,
      usage_stats: Object.fromEntries(resources.map((quota) => [quota.resource_type, quota.used])),
      metadata: tenant.metadata,
    };
  }
}

export class TenantListDto extends PageInfoDto {
  tenants: TenantSummaryDto[];
  total: number;
  skip: number;
}

export class ListTenantsQueryDto extends SkipPageQueryDto {
  /** Only tenants in this state. */
  @ApiPropertyOptional({ enum: TENANT_STATUSES })
  @Omittable()
  @IsIn(TENANT_STATUSES)
  status?: TenantStatus;

  /** Part of the owner's e-mail address. */
  @Omittable()
  @IsString()
  @MaxLength(255)
  email_contains?: string;

  /** Part of the owner's name. */
  @Omittable()
  @IsString()
  @MaxLength(255)
  name_contains?: string;
}

export class QuotaChangeDto {
  @ApiProperty({ enum: RESOURCES })
  @IsIn(RESOURCES)
  resource_type: Resource;

  /** Null is unlimited; in MiB for `storage_mb`. */
  @IsOptional()
  @ValidateIf((change: QuotaChangeDto) => change.limit !== null)
  @IsInt()
  @Min(0)
  @Max(1_000_000_000)
  limit?: number | null;

  @Omittable()
  @IsInt()
  @Min(1)
  @Max(100)
  warning_threshold?: number;
}

export class UpdateTenantDto {
  @ApiPropertyOptional({ enum: TENANT_STATUSES, example: 'active' })
  @Omittable()
  @IsIn(TENANT_STATUSES)
  status?: TenantStatus;

  @Omittable()
  @IsArray()
  @ArrayMaxSize(20)
  @ValidateNested({ each: true })
  @Type(() => QuotaChangeDto)
  quotas?: QuotaChangeDto[];

  /** As in `PATCH /api/v1/tenant/configuration`. */
  @Omittable()
  @IsObject()
  @ValidateNested()
  @Type(() => UpdateTenantConfigurationDto)
  configuration?: UpdateTenantConfigurationDto;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @Omittable()
  @AsSent()
  @IsObject()
  metadata?: Record<string, unknown>;
}
