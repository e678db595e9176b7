import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../common/pagination.js';
import { isWorkingTenant } from '../common/principal.js';
import { TenantChanges } from '../events/tenant-changes.js';
import { Transactions, type AnyTx, type SystemTx } from '../persistence/transactions.js';
import { TenantInfoDto, type ListTenantsQueryDto, type QuotaChangeDto, type TenantListDto, type UpdateTenantDto } from './dto/tenant.dto.js';
import { BYTES_PER_MIB } from './quota.entity.js';
import { QuotasRepository } from './quotas.repository.js';
import { TenantConfigurationService } from './tenant-configuration.service.js';
import { TenantBeingPurged, TenantNotFound } from './tenancy.errors.js';
import { TenantsRepository, type TenantFilter } from './tenants.repository.js';
import { TenantsService, withCalls } from './tenants.service.js';

type WithdrawalListener = (tx: SystemTx, tenantId: string) => Promise<void>;

function filterOf(query: ListTenantsQueryDto): TenantFilter {
  return {
    status: query.status,
    emailContains: query.email_contains,
    nameContains: query.name_contains,
    createdAfter: query.created_after,
    createdBefore: query.created_before,
    lastLoginAfter: query.last_login_after,
    lastLoginBefore: query.last_login_before,
    isOverQuota: query.over_quota,
  };
}

/** By name, as those who change several counters at once lock them, so that neither waits for the other in a circle. */
function inLockingOrder(changes: readonly QuotaChangeDto[]): QuotaChangeDto[] {
  return changes.toSorted((a, b) => (a.resource_type < b.resource_type ? -1 : 1));
}

/** All tenants, as the administrator sees and changes them. */
@Injectable()
export class TenantAdministration {
  private readonly listeners: WithdrawalListener[] = [];

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: TenantsRepository,
    private readonly quotas: QuotasRepository,
    private readonly tenants: TenantsService,
    private readonly configurations: TenantConfigurationService,
    private readonly changes: TenantChanges,
    private readonly cursors: Cursors,
  ) {}

  /** Called in the transaction that stops a tenant from working, before it does: who must not lose it throws. */
  onWithdrawal(listener: WithdrawalListener): void {
    this.listeners.push(listener);
  }

  async list(query: ListTenantsQueryDto): Promise<TenantListDto> {
    const filter = filterOf(query);
    const scope = `tenants ${JSON.stringify(filter)}`;
    const before = this.cursors.decode(query.cursor, scope);
    const { page, total, quotas } = await this.transactions.forSystem(async (tx) => {
      const rows = await this.repository.listNewestFirst(tx, filter, { skip: query.skip, limit: query.limit + 1, before });
      const page = pageOf(rows, query.limit);
      return { page, total: await this.repository.count(tx, filter), quotas: await this.quotas.listOf(tx, page.rows.map(({ id }) => id)) };
    });
    const quotasOf = Map.groupBy(quotas, ({ tenantId }) => tenantId);
    // All at once, so that Redis is asked for the whole page in one round trip.
    const tenants = page.rows.map(async (row) => TenantInfoDto.from(row, withCalls(quotasOf.get(row.id) ?? [], await this.tenants.callsOf(row.id))));
    return { tenants: await Promise.all(tenants), total, skip: query.skip, ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  /** @throws TenantNotFound */
  async get(tenantId: string): Promise<TenantInfoDto> {
    const calls = await this.tenants.callsOf(tenantId);
    return this.transactions.forSystem((tx) => this.tenants.describe(tx, tenantId, calls));
  }

  /** @throws TenantNotFound, TenantBeingPurged, and what a withdrawal is refused with */
  async update(tenantId: string, dto: UpdateTenantDto): Promise<TenantInfoDto> {
    const { status, metadata, configuration } = dto;
    const calls = await this.tenants.callsOf(tenantId);
    return this.changes.behindFenceAsSystem(tenantId, async (tx) => {
      if (status !== undefined && !isWorkingTenant(status)) for (const listener of this.listeners) await listener(tx, tenantId);
      // Before the tenant's row, for the order in which it locks.
      if (configuration) await this.configurations.change(tx, tenantId, { databaseIds: null }, configuration);
      const found = await this.repository.update(tx, tenantId, { status, metadata });
      if (!found) await this.refuse(tx, tenantId);
      for (const change of inLockingOrder(dto.quotas ?? [])) await this.changeQuota(tx, tenantId, change);
      return this.tenants.describe(tx, tenantId, calls);
    });
  }

  private async refuse(tx: AnyTx, tenantId: string): Promise<never> {
    throw (await this.repository.lockPurgeRequest(tx, tenantId)) ? new TenantBeingPurged() : new TenantNotFound();
  }

  private async changeQuota(tx: AnyTx, tenantId: string, { resource_type, limit, warning_threshold }: QuotaChangeDto): Promise<void> {
    const unit = resource_type === 'storage_mb' ? BYTES_PER_MIB : 1;
    const hardLimit = typeof limit === 'number' ? limit * unit : limit;
    await this.quotas.setLimit(tx, tenantId, resource_type, { hardLimit, warningThreshold: warning_threshold });
  }
}
