import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsDate, IsIn, IsInt, IsObject, IsOptional, IsString, IsUUID, Length, Max, MaxLength, Min, MinDate, ValidateIf,
} from 'class-validator';
import { IsIpRange } from '../../common/ip-ranges.js';
import { PageInfoDto, PageQueryDto } from '../../common/pagination.js';
import { PERMISSIONS, type Permission } from '../../common/principal.js';
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

  static from(key: ApiKeyEntity): ApiKeyDto {
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
  /** The key itself. Shown here and never again: we store only its hash. */
  secret_key: string;
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
  @Type(() => Date)
  @IsDate()
  @MinDate(() => new Date(), { message: 'expires_at must lie in the future' })
  expires_at?: Date;

  /** Requests an hour, shared by all processes. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(10_000)
  rate_limit_per_hour?: number;

  /** IPv4 or IPv6 addresses or CIDR ranges; empty is everywhere. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(100)
  @IsIpRange({ each: true })
  allowed_ips?: string[];

  /** Databases it is bound to; null is all. */
  @ApiPropertyOptional({ type: 'array', items: { type: 'string', format: 'uuid' }, nullable: true })
  @IsOptional()
  @ValidateIf((dto: ApiKeyFieldsDto) => dto.database_ids !== null)
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  database_ids?: string[] | null;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @IsOptional()
  @IsObject()
  metadata?: Record<string, unknown>;
}

export class CreateApiKeyDto extends ApiKeyFieldsDto {
  @IsString()
  @Length(1, 255)
  name: string;

  @ApiPropertyOptional({ enum: PERMISSIONS, isArray: true, default: ['read'] })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayUnique()
  @IsIn(PERMISSIONS, { each: true })
  permissions: Permission[] = ['read'];

  @ApiPropertyOptional({ enum: ENVIRONMENTS, default: 'live' })
  @IsOptional()
  @IsIn(ENVIRONMENTS)
  environment: Environment = 'live';
}

export class UpdateApiKeyDto extends ApiKeyFieldsDto {
  @IsOptional()
  @IsString()
  @Length(1, 255)
  name?: string;

  @ApiPropertyOptional({ enum: PERMISSIONS, isArray: true })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayUnique()
  @IsIn(PERMISSIONS, { each: true })
  permissions?: Permission[];

  @ApiPropertyOptional({ enum: ['active', 'inactive'] })
  @IsOptional()
  @IsIn(['active', 'inactive'])
  status?: 'active' | 'inactive';
}

export class ListApiKeysQueryDto extends PageQueryDto {
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  skip: number = 0;

  @ApiPropertyOptional({ enum: API_KEY_STATUSES })
  @IsOptional()
  @IsIn(API_KEY_STATUSES)
  status?: ApiKeyStatus;

  @ApiPropertyOptional({ enum: PERMISSIONS })
  @IsOptional()
  @IsIn(PERMISSIONS)
  permission?: Permission;

  @IsOptional()
  @IsString()
  @MaxLength(255)
  name_contains?: string;
}
