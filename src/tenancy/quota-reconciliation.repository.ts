import { Injectable } from '@nestjs/common';
import type { AnyTx, SystemTx, TenantTx } from '../persistence/transactions.js';
import type { Resource } from './quota.entity.js';
import { QuotaCounts } from './quota-counts.js';
import type { QuotaDrift } from './quota-drift.js';

interface DriftRow {
  tenant_id: string;
  resource: Resource;
  recorded: string;
  counted: string;
  recorded_reserved: string;
  counted_reserved: string;
}

@Injectable()
export class QuotaReconciliationRepository {
  constructor(private readonly counts: QuotaCounts) {}

  /** Null also for one that is being purged: its rows go without their counters. */
  async findTenant(tx: SystemTx, tenantId: string): Promise<string | null> {
    const rows = await tx.manager.query<{ id: string }[]>('SELECT id FROM tenants WHERE id = $1 AND purge_requested_at IS NULL', [tenantId]);
    return rows[0]?.id ?? null;
  }

  async listTenants(tx: SystemTx, after: string | null, limit: number): Promise<string[]> {
    const rows = await tx.manager.query<{ id: string }[]>('SELECT id FROM tenants WHERE purge_requested_at IS NULL AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2', [after, limit]);
    return rows.map(({ id }) => id);
  }

  /**
   * The counters of these tenants that differ from what there is. One statement sees one snapshot, in which every transaction has changed both
   * its rows and their counter or neither: so nothing is locked, and what comes and goes meanwhile is never taken for a difference.
   */
  async findDrifts(tx: AnyTx, tenantIds: readonly string[]): Promise<QuotaDrift[]> {
    const rows = await tx.manager.query<DriftRow[]>(
      `WITH counted AS (
         SELECT tenant_id, resource, sum(used) AS used, sum(reserved) AS reserved FROM (${this.counts.sql}) AS there (tenant_id, resource, used, reserved) GROUP BY 1, 2
       )
       SELECT q.tenant_id, q.resource, q.used AS recorded, COALESCE(c.used, 0) AS counted, q.reserved AS recorded_reserved, COALESCE(c.reserved, 0) AS counted_reserved
         FROM tenant_quotas q LEFT JOIN counted c ON c.tenant_id = q.tenant_id AND c.resource = q.resource
        WHERE q.tenant_id = ANY ($1) AND q.resource = ANY ($2) AND (q.used <> COALESCE(c.used, 0) OR q.reserved <> COALESCE(c.reserved, 0))
        ORDER BY q.tenant_id, q.resource`,
      [tenantIds, this.counts.resources],
    );
    return rows.map((row) => ({
      tenantId: row.tenant_id,
      resource: row.resource,
      recorded: Number(row.recorded),
      counted: Number(row.counted),
      recordedReserved: Number(row.recorded_reserved),
      countedReserved: Number(row.counted_reserved),
    }));
  }

  /**
   * Keeps the tenant's counters as they are until the transaction ends. Every writer changes its rows first and takes the counter last: one that
   * holds it is waited for, and one that comes later has not committed its rows, either. Locked by name, as writers lock several of them.
   */
  async lock(tx: TenantTx): Promise<void> {
    await tx.manager.query('SELECT FROM tenant_quotas WHERE tenant_id = $1 ORDER BY resource FOR NO KEY UPDATE', [tx.tenantId]);
  }

  async correct(tx: TenantTx, { resource, counted, countedReserved }: QuotaDrift): Promise<void> {
    await tx.manager.query('UPDATE tenant_quotas SET used = $3, reserved = $4 WHERE tenant_id = $1 AND resource = $2', [tx.tenantId, resource, counted, countedReserved]);
  }
}
