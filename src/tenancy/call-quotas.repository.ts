import { Injectable } from '@nestjs/common';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';
import { QuotaEntity } from './quota.entity.js';

/** The row of the calls an hour, which are counted in a window: its `used` is what they were when its level changed last. */
@Injectable()
export class CallQuotasRepository {
  find(tx: TenantTx): Promise<QuotaEntity | null> {
    return tx.manager.findOne(QuotaEntity, { where: { tenantId: tx.tenantId, resource: 'api_calls_per_hour' } });
  }

  /** Moves the row to the level of so many calls; false when it is not any more as it was seen, and then nothing is changed. */
  async move(tx: TenantTx, seen: QuotaEntity, calls: number): Promise<boolean> {
    const [rows] = await tx.manager.query<[unknown[], number]>(
      `UPDATE tenant_quotas SET used = $2 WHERE tenant_id = $1 AND resource = 'api_calls_per_hour'
          AND level = $3 AND hard_limit IS NOT DISTINCT FROM $4 AND warning_threshold = $5 RETURNING level`,
      [tx.tenantId, calls, seen.level, seen.hardLimit, seen.warningThreshold],
    );
    return rows.length === 1;
  }

  /** Tenants whose calls were at a higher level when somebody last looked. */
  async listRaised(tx: SystemTx): Promise<string[]> {
    const rows = await tx.manager.query<{ id: string }[]>(`SELECT tenant_id AS id FROM tenant_quotas WHERE resource = 'api_calls_per_hour' AND level <> 'below'`);
    return rows.map(({ id }) => id);
  }
}
