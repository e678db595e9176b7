import { BYTES_PER_MIB, RESOURCES, type QuotaEntity, type Resource } from '../quota.entity.js';
import { ApiProperty } from '@nestjs/swagger';

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

/** One resource of a tenant: what it may use and what it uses. */
export class ResourceQuotaDto {
  @ApiProperty({ enum: RESOURCES })
  resource_type: Resource;
  /** Null is unlimited; in MiB for `storage_mb`. */
  limit: number | null;
  used: number;
  /** Held for work in progress; counts against the limit. */
  reserved: number;
  remaining: number | null;
  usage_percentage: number;
  /** Per cent of the limit from which `is_warning` holds. */
  warning_threshold: number;
  is_warning: boolean;
  is_exceeded: boolean;
  /** Only for `storage_mb`, exact. */
  limit_bytes?: number | null;
  /** Only for `storage_mb`, exact. */
  used_bytes?: number;

  static from(quota: QuotaEntity): ResourceQuotaDto {
    const inBytes = quota.resource === 'storage_mb';
    const unit = (amount: number): number => (inBytes ? round(amount / BYTES_PER_MIB, 3) : amount);
    const taken = quota.used + quota.reserved;
    const limit = quota.hardLimit;
    const percentage = limit === null ? 0 : limit === 0 ? 100 : round((taken / limit) * 100, 2);
    return {
      resource_type: quota.resource,
      limit: limit === null ? null : unit(limit),
      used: unit(quota.used),
      reserved: unit(quota.reserved),
      remaining: limit === null ? null : unit(Math.max(0, limit - taken)),
      usage_percentage: percentage,
      warning_threshold: quota.warningThreshold,
      is_warning: quota.level !== 'below',
      is_exceeded: quota.level === 'reached',
      ...(inBytes ? { limit_bytes: limit, used_bytes: quota.used } : {}),
    };
  }
}

export class ResourceQuotasDto {
  quotas: ResourceQuotaDto[];
}
