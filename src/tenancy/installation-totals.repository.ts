import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';
import type { Resource } from './quota.entity.js';

@Injectable()
export class InstallationTotalsRepository {
  /** Tenants and people are few; whatever there may be millions of is summed from the counters, which are exact. */
  async count(tx: SystemTx): Promise<{ tenants: number; users: number }> {
    const rows = await tx.manager.query<{ tenants: number; users: number }[]>('SELECT (SELECT count(*)::int FROM tenants) AS tenants, (SELECT count(*)::int FROM users) AS users');
    return rows[0]!;
  }

  async sumCounters(tx: SystemTx): Promise<Partial<Record<Resource, number>>> {
    const rows = await tx.manager.query<{ resource: Resource; used: number }[]>('SELECT resource, sum(used)::float8 AS used FROM tenant_quotas GROUP BY resource');
    return Object.fromEntries(rows.map(({ resource, used }) => [resource, used]));
  }
}
