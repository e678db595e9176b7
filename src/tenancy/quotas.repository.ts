import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { AnyTx, TenantTx } from '../persistence/transactions.js';
import { DEFAULT_LIMITS, QuotaEntity, RESOURCES, type Resource } from './quota.entity.js';

/** What is added to both parts of a counter; below zero, taken away. */
export interface QuotaChange {
  resource: Resource;
  used: number;
  reserved: number;
}

/** How a change met the counter. */
export interface QuotaVerdict {
  resource: Resource;
  limit: number | null;
  /** Used and reserved together, before the change. */
  taken: number;
  fits: boolean;
}

@Injectable()
export class QuotasRepository {
  async createDefaults(tx: AnyTx, tenantId: string): Promise<void> {
    const rows = RESOURCES.map((resource) => ({ tenantId, resource, hardLimit: DEFAULT_LIMITS[resource], used: 0, reserved: 0, warningThreshold: 80 }));
    await tx.manager.insert(QuotaEntity, rows);
  }

  /**
   * Checks and changes several counters in one statement, all of them or none: of 200 at once against a limit of 100, exactly 100 pass.
   * They are locked by name, so that two transactions never wait for each other, and judged as they are once they are locked. What adds
   * nothing always fits: a limit that was lowered since keeps nobody from giving back, or from using what was reserved.
   */
  async change(tx: TenantTx, changes: readonly QuotaChange[]): Promise<QuotaVerdict[]> {
    const rows = await tx.manager.query<{ resource: Resource; hard_limit: string | null; taken: string; fits: boolean }[]>(
      `WITH locked AS (
         SELECT q.resource, q.hard_limit, q.used + q.reserved AS taken, wanted.used, wanted.reserved
           FROM tenant_quotas q JOIN unnest($2::text[], $3::bigint[], $4::bigint[]) AS wanted (resource, used, reserved) ON wanted.resource = q.resource
          WHERE q.tenant_id = $1 ORDER BY q.resource FOR NO KEY UPDATE OF q
       ), judged AS (
         SELECT *, hard_limit IS NULL OR used + reserved <= 0 OR taken + used + reserved <= hard_limit AS fits FROM locked
       ), changed AS (
         UPDATE tenant_quotas q SET used = q.used + change.used, reserved = q.reserved + change.reserved
           FROM (SELECT *, bool_and(fits) OVER () AS all_fit FROM judged) AS change
          WHERE q.tenant_id = $1 AND q.resource = change.resource AND change.all_fit
       )
       SELECT resource, hard_limit, taken, fits FROM judged ORDER BY resource`,
      [tx.tenantId, changes.map(({ resource }) => resource), changes.map(({ used }) => used), changes.map(({ reserved }) => reserved)],
    );
    return rows.map(({ resource, hard_limit: limit, taken, fits }) => ({ resource, limit: limit === null ? null : Number(limit), taken: Number(taken), fits }));
  }

  list(tx: AnyTx, tenantId: string): Promise<QuotaEntity[]> {
    return tx.manager.find(QuotaEntity, { where: { tenantId }, order: { resource: 'ASC' } });
  }

  /** Of all these tenants in one statement. */
  listOf(tx: AnyTx, tenantIds: readonly string[]): Promise<QuotaEntity[]> {
    return tx.manager.find(QuotaEntity, { where: { tenantId: In(tenantIds) }, order: { resource: 'ASC' } });
  }

  async setLimit(tx: AnyTx, tenantId: string, resource: Resource, limit: { hardLimit?: number | null; warningThreshold?: number }): Promise<void> {
    if (limit.hardLimit !== undefined || limit.warningThreshold !== undefined) await tx.manager.update(QuotaEntity, { tenantId, resource }, limit);
  }
}
