import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize, ArrayUnique, IsArray, IsBoolean, IsDate, IsIn, IsInt, IsObject, IsOptional, IsString, Max, MaxLength, Min, ValidateIf, ValidateNested,
} from 'class-validator';
import { PageInfoDto, SkipPageQueryDto } from '../../common/pagination.js';
import { TENANT_STATUSES, type TenantStatus } from '../../common/principal.js';
import { AsSent, DateFromText, FlagFromText, MaxJsonBytes, Omittable } from '../../common/validation.js';
import { RESOURCES, type QuotaEntity, type Resource } from '../quota.entity.js';
import type { TenantOverview } from '../tenants.repository.js';
import { ResourceQuotaDto, ResourceQuotasDto } from './quota.dto.js';
import { TenantConfigurationDto, UpdateTenantConfigurationDto } from './tenant-configuration.dto.js';

/** A tenant with its owner, quotas and usage. */
export class TenantInfoDto {
  @ApiProperty({ format: 'uuid' })
  tenant_id: string;
  @ApiProperty({ format: 'uuid' })
  user_id: string;
  user_name: string;
  user_email: string;
  @ApiProperty({ enum: TENANT_STATUSES })
  status: TenantStatus;
  created_at: Date;
  /** When its owner signed in last; null is never. */
  last_login: Date | null;
  /** When it was asked to remove everything of the tenant, which then goes on until it is done; null otherwise. */
  purge_requested_at: Date | null;
  quotas: ResourceQuotasDto;
  configuration: TenantConfigurationDto;
  /** What exists now, by resource type. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'number' } })
  usage_stats: Record<string, number>;
  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata: Record<string, unknown>;

  /** @param databaseIds those the reader may know of; null is all */
  static from(tenant: TenantOverview, quotas: QuotaEntity[], databaseIds: readonly string[] | null = null): TenantInfoDto {
    const resources = quotas.map((quota) => ResourceQuotaDto.from(quota));
    return {
      tenant_id: tenant.id,
      user_id: tenant.userId,
      user_name: tenant.userName,
      user_email: tenant.userEmail,
      status: tenant.status,
      created_at: tenant.createdAt,
      last_login: tenant.lastLoginAt,
      purge_requested_at: tenant.purgeRequestedAt,
      quotas: { quotas: resources },
      configuration: TenantConfigurationDto.from(tenant, databaseIds),
      usage_stats: Object.fromEntries(resources.map((quota) => [quota.resource_type, quota.used])),
      metadata: tenant.metadata,
    };
  }
}

export class TenantListDto extends PageInfoDto {
  tenants: TenantInfoDto[];
  /** How many match on all pages. */
  total: number;
  skip: number;
}

export class ListTenantsQueryDto extends SkipPageQueryDto {
  /** Only tenants in this state. */
  @ApiPropertyOptional({ enum: TENANT_STATUSES })
  @Omittable()
  @IsIn(TENANT_STATUSES)
  status?: TenantStatus;

  /** Part of the owner's e-mail address, in any case. */
  @Omittable()
  @IsString()
  @MaxLength(255)
  email_contains?: string;

  /** Part of the owner's name, in any case. */
  @Omittable()
  @IsString()
  @MaxLength(255)
  name_contains?: string;

  /** Registered after this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_after?: Date;

  /** Registered before this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_before?: Date;

  /** Whose owner signed in after this time; one who never did is in neither half. */
  @Omittable()
  @DateFromText()
  @IsDate()
  last_login_after?: Date;

  /** Whose owner signed in before this time, and not since. */
  @Omittable()
  @DateFromText()
  @IsDate()
  last_login_before?: Date;

  /** Only tenants that are at a limit or beyond one (what is reserved counts), or only those that are at none. Calls an hour, which come back by themselves, are left out. */
  @Omittable()
  @FlagFromText()
  @IsBoolean()
  over_quota?: boolean;
}

export class QuotaChangeDto {
  @ApiProperty({ enum: RESOURCES })
  @IsIn(RESOURCES)
  resource_type: Resource;

  /** Null is unlimited; in MiB for `storage_mb`. What is in use already stays when it is more. */
  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 0, maximum: 1_000_000_000 })
  @IsOptional()
  @ValidateIf((change: QuotaChangeDto) => change.limit !== null)
  @IsInt()
  @Min(0)
  @Max(1_000_000_000)
  limit?: number | null;

  /** Per cent of the limit from which the tenant is warned. */
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

  /** Each resource once; what is not named stays as it is. */
  @ApiPropertyOptional({ type: [QuotaChangeDto], maxItems: RESOURCES.length, example: [{ resource_type: 'documents', limit: 5000, warning_threshold: 80 }] })
  @Omittable()
  @IsArray()
  @ArrayMaxSize(RESOURCES.length)
  @ArrayUnique(({ resource_type }: QuotaChangeDto) => resource_type, { message: 'each resource_type may be named once' })
  @ValidateNested({ each: true })
  @Type(() => QuotaChangeDto)
  quotas?: QuotaChangeDto[];

  /** As in `PATCH /api/v1/tenant/configuration`. */
  @Omittable()
  @IsObject()
  @ValidateNested()
  @Type(() => UpdateTenantConfigurationDto)
  configuration?: UpdateTenantConfigurationDto;

  /** Replaces what was there; at most 16 KiB as JSON. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @Omittable()
  @AsSent()
  @IsObject()
  @MaxJsonBytes(16_384)
  metadata?: Record<string, unknown>;
}
