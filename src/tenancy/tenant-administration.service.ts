import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../common/pagination.js';
import { TenantChanges } from '../events/tenant-changes.js';
import { Transactions, type AnyTx } from '../persistence/transactions.js';
import { TenantSummaryDto, type ListTenantsQueryDto, type QuotaChangeDto, type TenantInfoDto, type TenantListDto, type UpdateTenantDto } from './dto/tenant.dto.js';
import { BYTES_PER_MIB } from './quota.entity.js';
import { QuotasRepository } from './quotas.repository.js';
import { TenantNotFound } from './tenancy.errors.js';
import { TenantsRepository } from './tenants.repository.js';
import { TenantsService } from './tenants.service.js';

/** All tenants, as the administrator sees and changes them. */
@Injectable()
export class TenantAdministration {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: TenantsRepository,
    private readonly quotas: QuotasRepository,
    private readonly tenants: TenantsService,
    private readonly changes: TenantChanges,
    private readonly cursors: Cursors,
  ) {}

  async list(query: ListTenantsQueryDto): Promise<TenantListDto> {
    const filter = { status: query.status, emailContains: query.email_contains, nameContains: query.name_contains };
    const scope = `tenants ${JSON.stringify(filter)}`;
    const before = this.cursors.decode(query.cursor, scope);
    const { rows, total } = await this.transactions.forSystem((tx) => this.repository.listNewestFirst(tx, filter, { skip: query.skip, limit: query.limit + 1, before }));
    const page = pageOf(rows, query.limit);
    return { tenants: page.rows.map((row) => TenantSummaryDto.summarize(row)), total, skip: query.skip, ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  /** @throws TenantNotFound */
  async get(tenantId: string): Promise<TenantInfoDto> {
    const calls = await this.tenants.callsOf(tenantId);
    return this.transactions.forSystem((tx) => this.tenants.describe(tx, tenantId, calls));
  }

  /** @throws TenantNotFound */
  async update(tenantId: string, dto: UpdateTenantDto): Promise<TenantInfoDto> {
    const { status, metadata } = dto;
    const calls = await this.tenants.callsOf(tenantId);
    return this.changes.behindFenceAsSystem(tenantId, async (tx) => {
      const found = await this.repository.update(tx, tenantId, { status, metadata });
      if (!found) throw new TenantNotFound();
      // In the order in which those who take lock them, or both would wait for each other.
      for (const change of (dto.quotas ?? []).toSorted((a, b) => (a.resource_type < b.resource_type ? -1 : 1))) await this.changeQuota(tx, tenantId, change);
      return this.tenants.describe(tx, tenantId, calls);
    });
  }

  private async changeQuota(tx: AnyTx, tenantId: string, { resource_type, limit, warning_threshold }: QuotaChangeDto): Promise<void> {
    const unit = resource_type === 'storage_mb' ? BYTES_PER_MIB : 1;
    const hardLimit = typeof limit === 'number' ? limit * unit : limit;
    await this.quotas.setLimit(tx, tenantId, resource_type, { hardLimit, warningThreshold: warning_threshold });
  }
}
