import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsUUID } from 'class-validator';
import { Omittable } from '../../common/validation.js';
import type { QuotaDrift, QuotaReconciliationReport } from '../../tenancy/quota-drift.js';
import type { Resource } from '../../tenancy/quota.entity.js';

const COUNTED_RESOURCES: readonly Resource[] = ['documents', 'storage_mb', 'vector_points', 'databases', 'api_keys'];

export class ReconcileDto {
  /** Sets every counter that differs to what there is; otherwise the differences are only told. */
  @ApiPropertyOptional({ default: false, example: false })
  @Omittable()
  @IsBoolean()
  repair: boolean = false;

  /** Only this tenant's counters. */
  @Omittable()
  @IsUUID()
  tenant_id?: string;
}

/** A counter that did not say what there is; `storage_mb` in bytes. */
export class QuotaDriftDto {
  @ApiProperty({ format: 'uuid' })
  tenant_id: string;
  @ApiProperty({ enum: COUNTED_RESOURCES })
  resource_type: Resource;
  /** What there is. */
  counted: number;
  /** What the counter said. */
  recorded: number;
  /** What is reserved. */
  counted_reserved: number;
  /** What the counter said to be reserved. */
  recorded_reserved: number;

  static from(drift: QuotaDrift): QuotaDriftDto {
    return {
      tenant_id: drift.tenantId,
      resource_type: drift.resource,
      counted: drift.counted,
      recorded: drift.recorded,
      counted_reserved: drift.countedReserved,
      recorded_reserved: drift.recordedReserved,
    };
  }
}

/** What a reconciliation found, in sums. */
export class ReconciliationSummaryDto {
  tenants_checked: number;
  tenants_with_drift: number;
  /** How many counters differed. */
  drift_count: number;
  /** By resource type, what the counters were off by, use and reservations together. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'number' } })
  drift: Record<string, number>;
  /** Whether the counters that differed were set right. */
  repaired: boolean;
  duration_ms: number;

  static summarize(report: QuotaReconciliationReport): ReconciliationSummaryDto {
    return {
      tenants_checked: report.tenantsChecked,
      tenants_with_drift: report.tenantsWithDrift,
      drift_count: report.driftCount,
      drift: report.drift,
      repaired: report.isRepaired,
      duration_ms: Math.round(report.durationMs),
    };
  }
}

export class ReconciliationDto extends ReconciliationSummaryDto {
  /** False when the time for one request was up; the counters looked at until then are in here, and repaired where that was asked for. */
  is_complete: boolean;
  /** The first thousand of them. */
  drifts: QuotaDriftDto[];

  static from(report: QuotaReconciliationReport): ReconciliationDto {
    return { ...ReconciliationSummaryDto.summarize(report), is_complete: report.isComplete, drifts: report.drifts.map((drift) => QuotaDriftDto.from(drift)) };
  }
}
