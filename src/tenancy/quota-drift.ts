import type { Resource } from './quota.entity.js';

/** A counter that does not say what there is. */
export interface QuotaDrift {
  tenantId: string;
  resource: Resource;
  recorded: number;
  counted: number;
  recordedReserved: number;
  countedReserved: number;
}

/** What one run of the reconciler found. */
export interface QuotaReconciliationReport {
  tenantsChecked: number;
  /** False when it was ended early. */
  isComplete: boolean;
  tenantsWithDrift: number;
  /** The first of them. */
  drifts: QuotaDrift[];
  driftCount: number;
  /** By resource, what the counters were off by, in sum. */
  drift: Partial<Record<Resource, number>>;
  /** Whether what was found has been put right. */
  isRepaired: boolean;
  durationMs: number;
}
