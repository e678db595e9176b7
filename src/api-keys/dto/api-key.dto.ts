import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsDate, IsIn, IsInt, IsObject, IsOptional, IsString, IsUUID, Length, Max, MaxLength, Min, MinDate,
} from 'class-validator';
import { IsIpRange } from '../../common/ip-ranges.js';
import { PageInfoDto, SkipPageQueryDto } from '../../common/pagination.js';
import { PERMISSIONS, type Permission } from '../../common/principal.js';
import { AsSent, DateFromText, LowerCaseList, MaxJsonBytes, Omittable } from '../../common/validation.js';
import { API_KEY_STATUSES, ENVIRONMENTS, statusOf, type ApiKeyEntity, type ApiKeyStatus, type Environment } from '../api-key.entity.js';

export class ApiKeyDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  name: string;
  description: string | null;
  /** The first twelve characters: enough to recognise it, useless to guess it. */
  key_prefix: string;
  @ApiProperty({ enum: ENVIRONMENTS })
  environment: Environment;
  @ApiProperty({ enum: PERMISSIONS, isArray: true })
  permissions: Permission[];
  @ApiProperty({ enum: API_KEY_STATUSES })
  status: ApiKeyStatus;
  expires_at: Date | null;
  rate_limit_per_hour: number;
  /** Addresses and CIDR ranges it works from; empty is everywhere. */
  allowed_ips: string[];
  /** The databases it is bound to; null is every database of the tenant. */
  @ApiProperty({ type: 'array', items: { type: 'string', format: 'uuid' }, nullable: true })
  database_ids: string[] | null;
  created_at: Date;
  last_used: Date | null;
  usage_count: number;
  @ApiProperty({ format: 'uuid' })
  user_id: string;
  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata: object;
  @ApiProperty({ format: 'uuid', nullable: true, type: 'string' })
  rotated_from: string | null;

  static from(key: Omit<ApiKeyEntity, 'keyHash'>): ApiKeyDto {
    return {
      id: key.id,
      name: key.name,
      description: key.description,
      key_prefix: key.keyPrefix,
      environment: key.environment,
      permissions: key.permissions,
      status: statusOf(key),
      expires_at: key.expiresAt,
      rate_limit_per_hour: key.rateLimitPerHour,
      allowed_ips: key.allowedIps,
      database_ids: key.databaseIds,
      created_at: key.createdAt,
      last_used: key.lastUsedAt,
      usage_count: key.usageCount,
      user_id: key.userId,
      metadata: key.metadata,
      rotated_from: key.rotatedFrom,
    };
  }
}

export class CreatedApiKeyDto {
  api_key: ApiKeyDto;
  /** The key itself. Shown here and never again: we store only its hash. An answer that is repeated for an Idempotency-Key lacks it. */
  secret_key?: string;
}

export class ApiKeyListDto extends PageInfoDto {
  api_keys: ApiKeyDto[];
  total: number;
  skip: number;
}

/** What a caller may choose about a key, at its creation and later. */
class ApiKeyFieldsDto {
  @IsOptional()
  @IsString()
  @MaxLength(1000)
  description?: string;

  /** Default: never, or when the key that creates it expires. */
  @IsOptional()
  @DateFromText()
  @IsDate()
  @MinDate(() => new Date(), { message: 'expires_at must lie in the future' })
  expires_at?: Date;

  /** Requests an hour. */
  @Omittable()
  @IsInt()
  @Min(1)
  @Max(10_000)
  rate_limit_per_hour?: number;

  /** IPv4 or IPv6 addresses or CIDR ranges; empty is everywhere. */
  @Omittable()
  @IsArray()
  @ArrayMaxSize(100)
  @IsIpRange({ each: true })
  allowed_ips?: string[];

  /** Databases it is bound to; null is all. */
  @ApiPropertyOptional({ type: 'array', items: { type: 'string', format: 'uuid' }, nullable: true })
  @IsOptional()
  @LowerCaseList()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  database_ids?: string[] | null;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @Omittable()
  @AsSent()
  @IsObject()
  @MaxJsonBytes(16_384)
  metadata?: Record<string, unknown>;
}

export class CreateApiKeyDto extends ApiKeyFieldsDto {
  /** @example 'My program' */
  @IsString()
  @Length(1, 255)
  name: string;

  /** Default: `read`; for a key that makes a key, its own. */
  @ApiPropertyOptional({ enum: PERMISSIONS, isArray: true, maxItems: PERMISSIONS.length, example: ['read', 'ingest', 'search'] })
  @Omittable()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(PERMISSIONS.length)
  @ArrayUnique()
  @IsIn(PERMISSIONS, { each: true })
  permissions?: Permission[];

  @ApiPropertyOptional({ enum: ENVIRONMENTS, default: 'live' })
  @Omittable()
  @IsIn(ENVIRONMENTS)
  environment: Environment = 'live';
}

export class UpdateApiKeyDto extends ApiKeyFieldsDto {
  /** @example 'My better program' */
  @Omittable()
  @IsString()
  @Length(1, 255)
  name?: string;

  @ApiPropertyOptional({ enum: PERMISSIONS, isArray: true, maxItems: PERMISSIONS.length })
  @Omittable()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(PERMISSIONS.length)
  @ArrayUnique()
  @IsIn(PERMISSIONS, { each: true })
  permissions?: Permission[];

  @ApiPropertyOptional({ enum: ['active', 'inactive'] })
  @Omittable()
  @IsIn(['active', 'inactive'])
  status?: 'active' | 'inactive';
}

export class ListApiKeysQueryDto extends SkipPageQueryDto {
  /** Only keys in this state. */
  @ApiPropertyOptional({ enum: API_KEY_STATUSES })
  @Omittable()
  @IsIn(API_KEY_STATUSES)
  status?: ApiKeyStatus;

  /** Only keys that hold this permission. */
  @ApiPropertyOptional({ enum: PERMISSIONS })
  @Omittable()
  @IsIn(PERMISSIONS)
  permission?: Permission;

  /** Part of the name, in any case. */
  @Omittable()
  @IsString()
  @MaxLength(255)
  name_contains?: string;

  /** Made after this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_after?: Date;

  /** Made before this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_before?: Date;

  /** Used after this time; a key that was never used is in neither half. */
  @Omittable()
  @DateFromText()
  @IsDate()
  last_used_after?: Date;

  /** Used before this time, and not since. */
  @Omittable()
  @DateFromText()
  @IsDate()
  last_used_before?: Date;
}

/** Seven days. */
const LONGEST_GRACE_SECONDS = 604_800;

export class RotateApiKeyDto {
  /** For how long the old secret still works; 0 ends it at once. */
  @ApiPropertyOptional({ default: 0, example: 3600 })
  @Omittable()
  @IsInt()
  @Min(0)
  @Max(LONGEST_GRACE_SECONDS)
  grace_seconds: number = 0;
}
