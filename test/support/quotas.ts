import type { ApiClient } from './api-client.js';
import type { Tenant } from './factories.js';

export interface SeenQuota {
  resource_type: string;
  limit: number | null;
  used: number;
  reserved: number;
  used_bytes?: number;
}

/** Sets limits as the administrator does; null is unlimited, `storage_mb` is in MiB. */
export async function setLimits(admin: ApiClient, tenant: Pick<Tenant, 'tenantId'>, limits: Record<string, number | null>): Promise<void> {
  const quotas = Object.entries(limits).map(([resource_type, limit]) => ({ resource_type, limit }));
  const { status, body } = await admin.patch(`/admin/tenants/${tenant.tenantId}`, { quotas });
  if (status !== 200) throw new Error(`setting limits answered ${status}: ${JSON.stringify(body)}`);
}

/** What the tenant sees of its quotas, by resource; `storage_mb` with its exact bytes as `used`. */
export async function quotasOf(client: ApiClient): Promise<Record<string, SeenQuota>> {
  const { body } = await client.get<{ quotas: SeenQuota[] }>('/api/v1/tenant/quotas');
  return Object.fromEntries(body.quotas.map((quota) => [quota.resource_type, { ...quota, used: quota.used_bytes ?? quota.used }]));
}

/** `{documents: 1, …}`: only what is used now. */
export async function usedBy(client: ApiClient): Promise<Record<string, number>> {
  return Object.fromEntries(Object.entries(await quotasOf(client)).map(([resource, { used }]) => [resource, used]));
}
