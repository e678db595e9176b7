import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../common/pagination.js';
import type { Principal } from '../common/principal.js';
import { TenantChanges } from '../events/tenant-changes.js';
import { Transactions, type AnyTx } from '../persistence/transactions.js';
import { ResourceQuotaDto, type ResourceQuotasDto } from './dto/quota.dto.js';
import { TenantInfoDto, TenantSummaryDto, type ListTenantsQueryDto, type QuotaChangeDto, type TenantListDto, type UpdateTenantDto } from './dto/tenant.dto.js';
import { RateLimits, tenantSubject } from '../rate-limits/rate-limits.js';
import { BYTES_PER_MIB, type QuotaEntity } from './quota.entity.js';
import { QuotasRepository } from './quotas.repository.js';
import { TenantNotFound } from './tenancy.errors.js';
import { TenantsRepository } from './tenants.repository.js';

/** Tenants as they see themselves and as the administrator sees them. */
@Injectable()
export class TenantsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly tenants: TenantsRepository,
    private readonly quotas: QuotasRepository,
    private readonly rateLimits: RateLimits,
    private readonly changes: TenantChanges,
    private readonly cursors: Cursors,
  ) {}

  /** Part of registering: a tenant with the default quotas. */
  async create(tx: AnyTx, tenantId: string): Promise<void> {
    await this.tenants.insert(tx, { id: tenantId });
    await this.quotas.createDefaults(tx, tenantId);
  }

  async info({ tenantId }: Principal): Promise<TenantInfoDto> {
    const calls = await this.callsOf(tenantId);
    return this.transactions.forTenant(tenantId, (tx) => this.describe(tx, tenantId, calls));
  }

  async listQuotas({ tenantId }: Principal): Promise<ResourceQuotasDto> {
    const calls = await this.callsOf(tenantId);
    const quotas = await this.transactions.forTenant(tenantId, (tx) => this.readQuotas(tx, tenantId, calls));
    return { quotas: quotas.map((quota) => ResourceQuotaDto.from(quota)) };
  }

  async listAll(query: ListTenantsQueryDto): Promise<TenantListDto> {
    const filter = { status: query.status, emailContains: query.email_contains, nameContains: query.name_contains };
    const scope = `tenants ${JSON.stringify(filter)}`;
    const before = this.cursors.decode(query.cursor, scope);
    const { rows, total } = await this.transactions.forSystem((tx) => this.tenants.listNewestFirst(tx, filter, { skip: query.skip, limit: query.limit + 1, before }));
    const page = pageOf(rows, query.limit);
    return { tenants: page.rows.map((row) => TenantSummaryDto.summarize(row)), total, skip: query.skip, ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  async infoOf(tenantId: string): Promise<TenantInfoDto> {
    const calls = await this.callsOf(tenantId);
    return this.transactions.forSystem((tx) => this.describe(tx, tenantId, calls));
  }

  async update(tenantId: string, dto: UpdateTenantDto): Promise<TenantInfoDto> {
    const { status, metadata } = dto;
    const calls = await this.callsOf(tenantId);
    return this.changes.behindFenceAsSystem(tenantId, async (tx) => {
      const found = await this.tenants.update(tx, tenantId, { status, metadata });
      if (!found) throw new TenantNotFound();
      for (const change of dto.quotas ?? []) await this.changeQuota(tx, tenantId, change);
      return this.describe(tx, tenantId, calls);
    });
  }

  private async changeQuota(tx: AnyTx, tenantId: string, { resource_type, limit, warning_threshold }: QuotaChangeDto): Promise<void> {
    const unit = resource_type === 'storage_mb' ? BYTES_PER_MIB : 1;
    const hardLimit = typeof limit === 'number' ? limit * unit : limit;
    await this.quotas.setLimit(tx, tenantId, resource_type, { hardLimit, warningThreshold: warning_threshold });
  }

  /** Calls are counted in a window, not in the row; asked for before a transaction, because the window may be in Redis. */
  private async callsOf(tenantId: string): Promise<number> {
    return this.rateLimits.used(tenantId, tenantSubject(tenantId));
  }

  private async describe(tx: AnyTx, tenantId: string, calls: number): Promise<TenantInfoDto> {
    const tenant = await this.tenants.findOverview(tx, tenantId);
    if (!tenant) throw new TenantNotFound();
    return TenantInfoDto.from(tenant, await this.readQuotas(tx, tenantId, calls));
  }

  private async readQuotas(tx: AnyTx, tenantId: string, calls: number): Promise<QuotaEntity[]> {
    const quotas = await this.quotas.list(tx, tenantId);
    return quotas.map((quota) => (quota.resource === 'api_calls_per_hour' ? { ...quota, used: calls } : quota));
  }
}
