import { Injectable, Logger } from '@nestjs/common';
import { within } from '../common/within.js';
import { Metrics } from '../metrics/metrics.js';
import type { QuotaReconciliationReport } from './quota-drift.js';
import { Reconciliations } from './reconciliations.service.js';

/** Whoever scrapes more often sees the same. */
const REMEMBERED_MS = 5000;
/** The other numbers do not wait longer for this one. */
const PATIENCE_MS = 1000;

/** Tells Prometheus what the last reconciliation left of drift, whichever process it ran in. Not known, it is left out: 0 would say that all is well. */
@Injectable()
export class QuotaDriftMetric {
  private readonly logger = new Logger(QuotaDriftMetric.name);
  private known: Readonly<Record<string, number>> = {};
  private knownUntilMs = 0;

  constructor(
    metrics: Metrics,
    private readonly reconciliations: Reconciliations,
  ) {
    metrics.gaugeBy('morag_quota_drift', 'What the counters of quotas were off by after the last reconciliation of all tenants, in units of the resource (storage in bytes)', 'resource', () => this.read());
    reconciliations.onRecorded(() => (this.knownUntilMs = 0));
  }

  private async read(): Promise<Readonly<Record<string, number>>> {
    if (performance.now() < this.knownUntilMs) return this.known;
    try {
      this.known = await within(PATIENCE_MS, this.look());
      this.knownUntilMs = performance.now() + REMEMBERED_MS;
    } catch (error) {
      this.logger.warn({ err: error }, 'the last reconciliation could not be read');
      this.known = {};
    }
    return this.known;
  }

  private async look(): Promise<Readonly<Record<string, number>>> {
    const last = await this.reconciliations.latest('quotas');
    if (!last) return {};
    const { drift, isRepaired } = last.result as QuotaReconciliationReport;
    return isRepaired ? Object.fromEntries(Object.keys(drift).map((resource) => [resource, 0])) : drift;
  }
}
