import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';
import type { TenantTx } from '../persistence/transactions.js';
import type { Resource } from './quota.entity.js';
import { QuotasRepository } from './quotas.repository.js';
import { QuotaExceeded } from './tenancy.errors.js';

/** How much of each resource. */
export type Amounts = Partial<Record<Resource, number>>;

/** What is added to both parts of each counter, net; below zero, taken away. */
export type QuotaChanges = Partial<Record<Resource, { used?: number; reserved?: number }>>;

/**
 * Exact quotas, each call one statement whatever it names. Call these last in a transaction, and once: the counters' rows are the ones all
 * of a tenant's writers share, so they are locked shortest that way, and always after the row they count, which rules out deadlocks.
 */
@Injectable()
export class QuotasService {
  private readonly refusals: Counter<'resource'>;

  constructor(
    private readonly quotas: QuotasRepository,
    metrics: Metrics,
  ) {
    this.refusals = metrics.counter('morag_quota_refused_total', 'What was refused because the quota of its tenant left no room for it', ['resource']);
  }

  /** @throws QuotaExceeded when one limit leaves no room; the caller's transaction then rolls back */
  take(tx: TenantTx, amounts: Amounts): Promise<void> {
    return this.change(tx, Object.fromEntries(Object.entries(amounts).map(([resource, amount]) => [resource, { used: amount }])));
  }

  giveBack(tx: TenantTx, amounts: Amounts): Promise<void> {
    return this.change(tx, Object.fromEntries(Object.entries(amounts).map(([resource, amount]) => [resource, { used: -amount }])));
  }

  /**
   * For what is used and reserved at once, such as a reservation that becomes a use. A reservation holds room for something whose making
   * takes a while; whoever makes it keeps in a row of its own how much that is, and changes both in one transaction.
   * @throws QuotaExceeded when the sum grows and passes the limit; names the first resource that does not fit
   */
  async change(tx: TenantTx, changes: QuotaChanges): Promise<void> {
    const wanted = Object.entries(changes)
      .map(([resource, { used = 0, reserved = 0 }]) => ({ resource: resource as Resource, used, reserved }))
      .filter(({ used, reserved }) => used !== 0 || reserved !== 0);
    if (wanted.length === 0) return;
    const verdicts = await this.quotas.change(tx, wanted);
    if (verdicts.length < wanted.length) throw new Error(`tenant ${tx.tenantId} lacks a quota row of ${wanted.map(({ resource }) => resource).join(', ')}`);
    const refused = verdicts.find(({ fits }) => !fits);
    if (!refused) return;
    const { used, reserved } = wanted.find(({ resource }) => resource === refused.resource)!;
    throw this.refusal({ resource: refused.resource, limit: refused.limit ?? 0, used: refused.taken, requested: used + reserved });
  }

  /**
   * Whether there is room at this moment, without taking it: for refusing early what cannot be taken later.
   * @throws QuotaExceeded
   */
  async requireRoom(tx: TenantTx, amounts: Amounts): Promise<void> {
    for (const { resource, hardLimit, used, reserved } of await this.quotas.list(tx, tx.tenantId)) {
      const requested = amounts[resource] ?? 0;
      if (hardLimit === null || requested <= 0 || used + reserved + requested <= hardLimit) continue;
      throw this.refusal({ resource, limit: hardLimit, used: used + reserved, requested });
    }
  }

  private refusal(refused: ConstructorParameters<typeof QuotaExceeded>[0]): QuotaExceeded {
    this.refusals.inc({ resource: refused.resource });
    return new QuotaExceeded(refused);
  }
}
