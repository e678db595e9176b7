import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { IsDate, IsIn, IsIP, IsString, IsUUID, Matches, MaxLength } from 'class-validator';
import { CountedPageInfoDto, CountedPageQueryDto } from '../../common/pagination.js';
import { DateFromText, Omittable } from '../../common/validation.js';
import { ACTOR_TYPES, INSTALLATION, RESULTS, type ActorType, type AuditEntry, type AuditFilter, type Result } from '../audit-entry.js';

export class AuditActorDto {
  /** `system` is the server itself, `anonymous` somebody who did not sign in. */
  @ApiProperty({ enum: ACTOR_TYPES })
  type: ActorType;
  /** The person, also where one of its keys was shown. */
  @ApiProperty({ format: 'uuid', nullable: true })
  id: string | null;
}

export class AuditTargetDto {
  type: string;
  @ApiProperty({ format: 'uuid', nullable: true })
  id: string | null;
  /** As it was called then. */
  name: string | null;
}

export class AuditEntryDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  actor: AuditActorDto;
  @ApiProperty({ format: 'uuid', nullable: true })
  api_key_id: string | null;
  /** The resource, and what was done to it. */
  action: string;
  target: AuditTargetDto;
  @ApiProperty({ enum: RESULTS })
  result: Result;
  ip: string | null;
  user_agent: string | null;
  @ApiProperty({ format: 'uuid', nullable: true })
  request_id: string | null;
  /** By field, `from` and `to`; a secret is only said to have changed. Of refusals: how many, and why. Null once it was erased with its tenant. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  changes: object | null;
  created_at: Date;

  static from(entry: AuditEntry): AuditEntryDto {
    return {
      id: entry.id,
      actor: { type: entry.actorType, id: entry.actorId },
      api_key_id: entry.apiKeyId,
      action: entry.action,
      target: { type: entry.targetType, id: entry.targetId, name: entry.targetName },
      result: entry.result,
      ip: entry.ip,
      user_agent: entry.userAgent,
      request_id: entry.requestId,
      changes: entry.changes,
      created_at: entry.createdAt,
    };
  }
}

/** An entry as the administrator sees it. */
export class AnyAuditEntryDto extends AuditEntryDto {
  /** Null for what is of no tenant, such as a sign-in under an unknown address. */
  @ApiProperty({ format: 'uuid', nullable: true })
  tenant_id: string | null;

  static ofAnyTenant(entry: AuditEntry): AnyAuditEntryDto {
    return { ...AuditEntryDto.from(entry), tenant_id: entry.tenantId === INSTALLATION ? null : entry.tenantId };
  }
}

export class AuditListDto extends CountedPageInfoDto {
  entries: AuditEntryDto[];
}

export class AnyAuditListDto extends CountedPageInfoDto {
  entries: AnyAuditEntryDto[];
}

export class ListAuditQueryDto extends CountedPageQueryDto {
  /** Only what this person did, itself or through a key. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  actor_id?: string;

  /** Only what people did themselves, or keys, or the server, or somebody unknown. */
  @ApiPropertyOptional({ enum: ACTOR_TYPES })
  @Omittable()
  @IsIn(ACTOR_TYPES)
  actor_type?: ActorType;

  /** Only what was done with this key. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  api_key_id?: string;

  /** One action, such as `api_key.revoked`, or all of a resource: `api_key.*`. */
  @Omittable()
  @IsString()
  @Matches(/^[a-z_]+\.([a-z_]+|\*)$/, { message: 'action must look like api_key.revoked or api_key.*' })
  @MaxLength(100)
  action?: string;

  /** Only what was done to things of this kind, such as `document`. */
  @Omittable()
  @IsString()
  @MaxLength(100)
  target_type?: string;

  /** Only what was done to this one. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  target_id?: string;

  /** `denied` is what was refused. */
  @ApiPropertyOptional({ enum: RESULTS })
  @Omittable()
  @IsIn(RESULTS)
  result?: Result;

  /** Only what came of this request: the `X-Request-Id` of its answer. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  request_id?: string;

  /** Only what was asked for from this address. */
  @Omittable()
  @IsIP()
  ip?: string;

  /** Recorded after this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_after?: Date;

  /** Recorded before this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_before?: Date;
}

export class ListAnyAuditQueryDto extends ListAuditQueryDto {
  /** Only entries of this tenant; filters other than `action` and `request_id` are quick only with it. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  tenant_id?: string;
}

const PAGING = ['limit', 'cursor', 'include_total'] as const;

export class ExportAuditQueryDto extends OmitType(ListAuditQueryDto, PAGING) {}

export class ExportAnyAuditQueryDto extends OmitType(ListAnyAuditQueryDto, PAGING) {}

/** UUIDs and addresses as they are stored, in small letters. */
export function filterOf(query: ExportAuditQueryDto & { tenant_id?: string }): AuditFilter {
  return {
    tenantId: query.tenant_id?.toLowerCase(),
    actorId: query.actor_id?.toLowerCase(),
    actorType: query.actor_type,
    apiKeyId: query.api_key_id?.toLowerCase(),
    action: query.action,
    targetType: query.target_type,
    targetId: query.target_id?.toLowerCase(),
    result: query.result,
    requestId: query.request_id?.toLowerCase(),
    ip: query.ip?.toLowerCase(),
    createdAfter: query.created_after,
    createdBefore: query.created_before,
  };
}
