import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { Transactions, type AnyTx } from '../persistence/transactions.js';
import { RateLimits, tenantSubject } from '../rate-limits/rate-limits.js';
import { ResourceQuotaDto, type ResourceQuotasDto } from './dto/quota.dto.js';
import { TenantInfoDto } from './dto/tenant.dto.js';
import type { QuotaEntity } from './quota.entity.js';
import { atLevel } from './quota-level.js';
import { QuotasRepository } from './quotas.repository.js';
import { TenantNotFound } from './tenancy.errors.js';
import { TenantsRepository } from './tenants.repository.js';

/** Calls are counted in a window and not in the row. */
export function withCalls(quotas: readonly QuotaEntity[], calls: number): QuotaEntity[] {
  return quotas.map((quota) => (quota.resource === 'api_calls_per_hour' ? atLevel({ ...quota, used: calls }) : quota));
}

/** Tenants as they see themselves. */
@Injectable()
export class TenantsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly tenants: TenantsRepository,
    private readonly quotas: QuotasRepository,
    private readonly rateLimits: RateLimits,
  ) {}

  /** Part of registering: a tenant with the default quotas. */
  async create(tx: AnyTx, tenantId: string): Promise<void> {
    await this.tenants.insert(tx, { id: tenantId });
    await this.quotas.createDefaults(tx, tenantId);
  }

  async info({ tenantId, databaseIds }: Principal): Promise<TenantInfoDto> {
    const calls = await this.callsOf(tenantId);
    return this.transactions.forTenant(tenantId, (tx) => this.describe(tx, tenantId, calls, databaseIds));
  }

  async listQuotas({ tenantId }: Principal): Promise<ResourceQuotasDto> {
    const calls = await this.callsOf(tenantId);
    const quotas = await this.transactions.forTenant(tenantId, (tx) => this.readQuotas(tx, tenantId, calls));
    return { quotas: quotas.map((quota) => ResourceQuotaDto.from(quota)) };
  }

  /** Asked for outside a transaction, because the window may be in Redis. */
  async callsOf(tenantId: string): Promise<number> {
    // None when the counts are out of reach, since nothing is refused then.
    return (await this.rateLimits.used(tenantId, tenantSubject(tenantId))) ?? 0;
  }

  /**
   * @param databaseIds those the reader may know of; null is all
   * @throws TenantNotFound
   */
  async describe(tx: AnyTx, tenantId: string, calls: number, databaseIds: readonly string[] | null = null): Promise<TenantInfoDto> {
    const tenant = await this.tenants.findOverview(tx, tenantId);
    if (!tenant) throw new TenantNotFound();
    return TenantInfoDto.from(tenant, await this.readQuotas(tx, tenantId, calls), databaseIds);
  }

  private async readQuotas(tx: AnyTx, tenantId: string, calls: number): Promise<QuotaEntity[]> {
    return withCalls(await this.quotas.list(tx, tenantId), calls);
  }
}
