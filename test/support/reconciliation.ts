import type { ApiClient } from './api-client.js';
import type { TestDatabase } from './test-database.js';

export interface SeenDrift {
  tenant_id: string;
  resource_type: string;
  counted: number;
  recorded: number;
  counted_reserved: number;
  recorded_reserved: number;
}

export interface SeenReport {
  tenants_checked: number;
  tenants_with_drift: number;
  drift_count: number;
  drift: Record<string, number>;
  drifts: SeenDrift[];
  repaired: boolean;
  is_complete: boolean;
  duration_ms: number;
}

export async function reconcile(admin: ApiClient, request: { repair?: boolean; tenant_id?: string } = {}): Promise<SeenReport> {
  const { status, body } = await admin.post<SeenReport>('/admin/reconcile', request);
  if (status !== 200) throw new Error(`reconciling answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

/** Falsifies a counter by hand, past everything that would keep it exact. */
export async function falsify(database: TestDatabase, tenantId: string, resource: string, change: { used?: number; reserved?: number }): Promise<void> {
  const rows = await database.query('UPDATE tenant_quotas SET used = used + $3, reserved = reserved + $4 WHERE tenant_id = $1 AND resource = $2 RETURNING resource', [tenantId, resource, change.used ?? 0, change.reserved ?? 0]);
  if (rows.length !== 1) throw new Error(`no counter of ${resource} was falsified`);
}
