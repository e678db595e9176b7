import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import type { AnyTx, TenantTx } from '../persistence/transactions.js';
import { DEFAULT_LIMITS, QuotaEntity, RESOURCES, type Resource } from './quota.entity.js';

/** A reservation becomes a use in the same statement, so that the sum of both never shows a gap. */
interface Change {
  used: number;
  reserved: number;
}

@Injectable()
export class QuotasRepository {
  async createDefaults(tx: AnyTx, tenantId: string): Promise<void> {
    const rows = RESOURCES.map((resource) => ({ tenantId, resource, hardLimit: DEFAULT_LIMITS[resource], used: 0, reserved: 0, warningThreshold: 80 }));
    await tx.manager.insert(QuotaEntity, rows);
  }

  /** Checks and takes in one statement: of 200 at once against a limit of 100, exactly 100 pass. */
  async takeWithinLimit(tx: TenantTx, resource: Resource, change: Change): Promise<boolean> {
    const [rows] = await tx.manager.query<[unknown[], number]>(
      `UPDATE tenant_quotas SET used = used + $3, reserved = reserved + $4
        WHERE tenant_id = $1 AND resource = $2 AND (hard_limit IS NULL OR used + reserved + $3 + $4 <= hard_limit)
        RETURNING resource`,
      [tx.tenantId, resource, change.used, change.reserved],
    );
    return rows.length === 1;
  }

  /** For giving back and for settling what was reserved, neither of which can pass the limit. */
  async apply(tx: TenantTx, resource: Resource, change: Change): Promise<void> {
    await tx.manager.query('UPDATE tenant_quotas SET used = used + $3, reserved = reserved + $4 WHERE tenant_id = $1 AND resource = $2', [
      tx.tenantId,
      resource,
      change.used,
      change.reserved,
    ]);
  }

  list(tx: AnyTx, tenantId: string): Promise<QuotaEntity[]> {
    return tx.manager.find(QuotaEntity, { where: { tenantId }, order: { resource: 'ASC' } });
  }

  /** Of all these tenants in one statement. */
  listOf(tx: AnyTx, tenantIds: readonly string[]): Promise<QuotaEntity[]> {
    return tx.manager.find(QuotaEntity, { where: { tenantId: In(tenantIds) }, order: { resource: 'ASC' } });
  }

  findOne(tx: TenantTx, resource: Resource): Promise<QuotaEntity | null> {
    return tx.manager.findOne(QuotaEntity, { where: { tenantId: tx.tenantId, resource } });
  }

  async setLimit(tx: AnyTx, tenantId: string, resource: Resource, limit: { hardLimit?: number | null; warningThreshold?: number }): Promise<void> {
    if (limit.hardLimit !== undefined || limit.warningThreshold !== undefined) await tx.manager.update(QuotaEntity, { tenantId, resource }, limit);
  }
}
