import { Injectable, Logger } from '@nestjs/common';
import { Metrics } from '../metrics/metrics.js';
import { RememberedLook } from '../metrics/remembered-look.js';
import type { QuotaReconciliationReport } from './quota-drift.js';
import { Reconciliations } from './reconciliations.service.js';

/** Tells Prometheus what the last reconciliation left of drift, whichever process it ran in. */
@Injectable()
export class QuotaDriftMetric {
  constructor(
    metrics: Metrics,
    private readonly reconciliations: Reconciliations,
  ) {
    const drift = new RememberedLook('the last reconciliation', new Logger(QuotaDriftMetric.name), () => this.look());
    metrics.gaugeBy('morag_quota_drift', 'What the counters of quotas were off by after the last reconciliation of all tenants, in units of the resource (storage in bytes)', 'resource', () => drift.read());
    reconciliations.onRecorded(() => drift.forget());
  }

  private async look(): Promise<Readonly<Record<string, number>>> {
    const last = await this.reconciliations.latest('quotas');
    if (!last) return {};
    const { drift, isRepaired } = last.result as QuotaReconciliationReport;
    return isRepaired ? Object.fromEntries(Object.keys(drift).map((resource) => [resource, 0])) : drift;
  }
}
