import { Injectable, Logger } from '@nestjs/common';
import type { ScheduledTask } from '../jobs/job-handler.js';
import { Transactions } from '../persistence/transactions.js';
import { QuotaCounts } from './quota-counts.js';
import type { QuotaDrift, QuotaReconciliationReport } from './quota-drift.js';
import { QuotaReconciliationRepository } from './quota-reconciliation.repository.js';
import type { Resource } from './quota.entity.js';
import { Reconciliations } from './reconciliations.service.js';
import { TenantNotFound } from './tenancy.errors.js';

export interface QuotaReconciliationRequest {
  /** Sets counters that differ to what there is; otherwise they are only told. */
  repair: boolean;
  /** Only this tenant's. */
  tenantId?: string;
  /** Ends the run early; what it found until then is answered. */
  signal?: AbortSignal;
}

/** Tenants compared in one statement: with fifty documents each, a tenth of a second or a few. */
const TENANTS_A_STATEMENT = 200;
/** An answer names no more than this; the sums are of all. */
const MOST_LISTED = 1000;

const distance = (drift: QuotaDrift): number => Math.abs(drift.recorded - drift.counted) + Math.abs(drift.recordedReserved - drift.countedReserved);

/**
 * Compares the counters of the quotas with what there is. They are exact by construction: a difference is a fault, or somebody's own hand in the
 * database, and so the nightly run reports it and leaves the repair to whoever has seen it.
 */
@Injectable()
export class QuotaReconciliation implements ScheduledTask {
  readonly name = 'reconcile-quotas';
  readonly cron = '41 2 * * *';
  private readonly logger = new Logger(QuotaReconciliation.name);

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: QuotaReconciliationRepository,
    private readonly counts: QuotaCounts,
    private readonly reconciliations: Reconciliations,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    await this.reconcile({ repair: false, signal });
    // Cut short, it was no run at all: the queue begins it again.
    signal.throwIfAborted();
  }

  /** @throws TenantNotFound */
  async reconcile({ repair, tenantId, signal }: QuotaReconciliationRequest): Promise<QuotaReconciliationReport> {
    const begun = performance.now();
    const found: QuotaDrift[] = [];
    let tenantsChecked = 0;
    for await (const tenantIds of this.pages(tenantId)) {
      if (signal?.aborted) break;
      for (const drift of await this.compare(tenantIds, repair, signal)) found.push(drift);
      tenantsChecked += tenantIds.length;
    }
    const isComplete = signal?.aborted !== true;
    const report = this.report(found, { tenantsChecked, isComplete, isRepaired: repair, durationMs: performance.now() - begun });
    if (isComplete && tenantId === undefined) await this.reconciliations.record('quotas', report.durationMs, report);
    return report;
  }

  /** One short transaction a page, so that no number of tenants makes a long one. */
  private async *pages(tenantId: string | undefined): AsyncGenerator<string[]> {
    if (tenantId !== undefined) {
      const found = await this.transactions.forSystem((tx) => this.repository.findTenant(tx, tenantId));
      if (found === null) throw new TenantNotFound();
      yield [tenantId];
      return;
    }
    for (let after: string | null = null; ; ) {
      const page: string[] = await this.transactions.forSystem((tx) => this.repository.listTenants(tx, after, TENANTS_A_STATEMENT));
      if (page.length > 0) yield page;
      if (page.length < TENANTS_A_STATEMENT) return;
      after = page.at(-1)!;
    }
  }

  private async compare(tenantIds: readonly string[], repair: boolean, signal?: AbortSignal): Promise<QuotaDrift[]> {
    const drifts = await this.transactions.forSystem((tx) => this.repository.findDrifts(tx, tenantIds));
    for (const drift of drifts) this.logger.warn({ tenant_id: drift.tenantId, ...described(drift) }, 'a quota counter differs from what there is');
    if (!repair) return drifts;
    const repaired: QuotaDrift[] = [];
    for (const tenantId of new Set(drifts.map((drift) => drift.tenantId))) {
      if (signal?.aborted) break;
      repaired.push(...(await this.repair(tenantId)));
    }
    return repaired;
  }

  /** Counted again behind the lock, in a statement of its own, since a snapshot from before it would be out of date by then. */
  private async repair(tenantId: string): Promise<QuotaDrift[]> {
    const drifts = await this.transactions.forTenant(tenantId, async (tx) => {
      await this.repository.lock(tx);
      const found = await this.repository.findDrifts(tx, [tenantId]);
      for (const drift of found) await this.repository.correct(tx, drift);
      return found;
    });
    for (const drift of drifts) this.logger.warn({ tenant_id: tenantId, ...described(drift) }, 'a quota counter was repaired');
    return drifts;
  }

  private report(found: readonly QuotaDrift[], run: Pick<QuotaReconciliationReport, 'tenantsChecked' | 'isComplete' | 'isRepaired' | 'durationMs'>): QuotaReconciliationReport {
    const drift: Partial<Record<Resource, number>> = Object.fromEntries(this.counts.resources.map((resource) => [resource, 0]));
    for (const one of found) drift[one.resource] = drift[one.resource]! + distance(one);
    return {
      ...run,
      isRepaired: run.isRepaired && run.isComplete,
      tenantsWithDrift: new Set(found.map(({ tenantId }) => tenantId)).size,
      drifts: found.slice(0, MOST_LISTED),
      driftCount: found.length,
      drift,
    };
  }
}

function described(drift: QuotaDrift): Record<string, string | number> {
  const { resource, recorded, counted, recordedReserved, countedReserved } = drift;
  return { resource, recorded, counted, recorded_reserved: recordedReserved, counted_reserved: countedReserved };
}
