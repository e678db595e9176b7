export type ReconciliationKind = 'quotas' | 'stores';

/** A run as it was written down; the result is its report. */
export interface StoredReconciliation {
  startedAt: Date;
  finishedAt: Date;
  result: object;
}
