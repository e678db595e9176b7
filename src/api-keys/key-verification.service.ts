import { Injectable } from '@nestjs/common';
import { isAllowedAddress } from '../common/ip-ranges.js';
import { isWorkingTenant, type Principal } from '../common/principal.js';
import { keySubject, RateLimits } from '../rate-limits/rate-limits.js';
import { UsageService } from '../tenancy/usage.service.js';
import type { ApiKeyStatus } from './api-key.entity.js';
import { ApiKeyVerifier, effectiveStatus, type KnownKey } from './api-key-verifier.js';
import { ApiKeyDto } from './dto/api-key.dto.js';
import type { KeyVerificationDto, VerificationCode, VerifyApiKeyDto } from './dto/key-verification.dto.js';

const CODE_OF_STATUS: Readonly<Record<Exclude<ApiKeyStatus, 'active'>, VerificationCode>> = { revoked: 'revoked', expired: 'expired', inactive: 'disabled' };

function objectionTo(known: KnownKey, { permission, ip }: VerifyApiKeyDto): VerificationCode | null {
  const status = effectiveStatus(known);
  if (status !== 'active') return CODE_OF_STATUS[status];
  const { principal } = known;
  if (!isWorkingTenant(principal.tenantStatus)) return 'tenant_suspended';
  if (ip !== undefined && !isAllowedAddress(ip, principal.allowedIps)) return 'ip_not_allowed';
  if (permission !== undefined && !principal.permissions.includes(permission)) return 'insufficient_scope';
  return null;
}

/** Answers a gateway whether a key of its own tenant may do something, and counts that as one call of the key. */
@Injectable()
export class KeyVerificationService {
  constructor(
    private readonly verifier: ApiKeyVerifier,
    private readonly rateLimits: RateLimits,
    private readonly usage: UsageService,
  ) {}

  async verify(caller: Principal, dto: VerifyApiKeyDto): Promise<KeyVerificationDto> {
    const known = await this.verifier.find(dto.key);
    // Another tenant's key is none of the caller's business, not even that it exists.
    if (known?.key.tenantId !== caller.tenantId) return { valid: false, code: 'not_found', ratelimit: null };
    const found = { api_key: ApiKeyDto.from(known.key), tenant_id: known.key.tenantId };
    const objection = objectionTo(known, dto);
    if (objection) return { valid: false, code: objection, ...found, ratelimit: null };
    const [verdict] = await this.rateLimits.consume(caller.tenantId, [{ subject: keySubject(known.key.lineageId), perHour: known.key.rateLimitPerHour }]);
    const ratelimit = verdict ? { limit: verdict.perHour, remaining: verdict.remaining, reset_seconds: verdict.resetSeconds } : null;
    this.usage.touch({ tenantId: known.key.tenantId, apiKeyId: known.key.id });
    if (verdict?.allowed === false) return { valid: false, code: 'rate_limited', ...found, ratelimit };
    return { valid: true, code: 'valid', ...found, ratelimit };
  }
}
