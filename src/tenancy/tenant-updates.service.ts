import { Injectable } from '@nestjs/common';
import { isWorkingTenant } from '../common/principal.js';
import { TenantChanges } from '../events/tenant-changes.js';
import type { AnyTx, SystemTx } from '../persistence/transactions.js';
import type { QuotaChangeDto, TenantInfoDto, UpdateTenantDto } from './dto/tenant.dto.js';
import { BYTES_PER_MIB } from './quota.entity.js';
import { QuotasRepository } from './quotas.repository.js';
import { TenantBeingPurged, TenantNotFound } from './tenancy.errors.js';
import { TenantConfigurationService } from './tenant-configuration.service.js';
import { TenantsRepository } from './tenants.repository.js';
import { TenantsService } from './tenants.service.js';

type WithdrawalListener = (tx: SystemTx, tenantId: string) => Promise<void>;

/** By name, as those who change several counters at once lock them, so that neither waits for the other in a circle. */
function inLockingOrder(changes: readonly QuotaChangeDto[]): QuotaChangeDto[] {
  return changes.toSorted((a, b) => (a.resource_type < b.resource_type ? -1 : 1));
}

/** What the administrator changes of a tenant: status, quotas, configuration and metadata, all or nothing and for every process at once. */
@Injectable()
export class TenantUpdates {
  private readonly listeners: WithdrawalListener[] = [];

  constructor(
    private readonly repository: TenantsRepository,
    private readonly quotas: QuotasRepository,
    private readonly tenants: TenantsService,
    private readonly configurations: TenantConfigurationService,
    private readonly changes: TenantChanges,
  ) {}

  /** Called in the transaction that stops a tenant from working, before it does: who must not lose it throws. */
  onWithdrawal(listener: WithdrawalListener): void {
    this.listeners.push(listener);
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
