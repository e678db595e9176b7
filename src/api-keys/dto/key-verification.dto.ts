import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsIP, IsString, MaxLength } from 'class-validator';
import { PERMISSIONS, type Permission } from '../../common/principal.js';
import { Omittable } from '../../common/validation.js';
import { ApiKeyDto } from './api-key.dto.js';

export const VERIFICATION_CODES = ['valid', 'not_found', 'disabled', 'expired', 'revoked', 'insufficient_scope', 'ip_not_allowed', 'rate_limited', 'tenant_suspended'] as const;
export type VerificationCode = (typeof VERIFICATION_CODES)[number];

export class VerifyApiKeyDto {
  /**
   * The whole key, as your own client sent it to you.
   * @example mk_live_0123456789ABCDEFGHIJKLMNOPQRSTUV1ggZdL
   */
  @IsString()
  @MaxLength(255)
  key: string;

  /** What the key wants to do. */
  @ApiPropertyOptional({ enum: PERMISSIONS, example: 'search' })
  @Omittable()
  @IsIn(PERMISSIONS)
  permission?: Permission;

  /** The address your client called from. */
  @ApiPropertyOptional({ example: '192.0.2.7' })
  @Omittable()
  @IsIP(undefined, { message: 'ip must be an IPv4 or IPv6 address' })
  ip?: string;
}

/** What is left of the key's hour after this call. */
export class KeyRateLimitDto {
  /** Calls an hour. */
  limit: number;
  remaining: number;
  /** Until the present cell of the window ends. */
  reset_seconds: number;
}

export class KeyVerificationDto {
  valid: boolean;
  /** Why it is not, or `valid`. */
  @ApiProperty({ enum: VERIFICATION_CODES })
  code: VerificationCode;
  /** The key; absent when it was not found. */
  @ApiPropertyOptional({ type: ApiKeyDto })
  api_key?: ApiKeyDto;
  @ApiPropertyOptional({ format: 'uuid' })
  tenant_id?: string;
  /** Null when the call was not counted: no key was found, something else is wrong with it, or the counts are out of reach at this moment. */
  @ApiProperty({ type: KeyRateLimitDto, nullable: true })
  ratelimit: KeyRateLimitDto | null;
}
