import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import type { Resource } from './quota.entity.js';
import { QuotasRepository } from './quotas.repository.js';
import { QuotaExceeded } from './tenancy.errors.js';

/**
 * Exact quotas. Call these last in a transaction: the counter's row is the one all of a tenant's writers share,
 * so it is locked shortest that way, and always after the row it counts, which rules out deadlocks.
 */
@Injectable()
export class QuotasService {
  constructor(private readonly quotas: QuotasRepository) {}

  /** @throws QuotaExceeded when the limit leaves no room; the caller's transaction then rolls back */
  async take(tx: TenantTx, resource: Resource, amount: number): Promise<void> {
    await this.require(tx, resource, amount, { used: amount, reserved: 0 });
  }

  async giveBack(tx: TenantTx, resource: Resource, amount: number): Promise<void> {
    await this.quotas.apply(tx, resource, { used: -amount, reserved: 0 });
  }

  /** Holds room for something whose making takes a while; a crash leaves it held until it is settled or released. */
  async reserve(tx: TenantTx, resource: Resource, amount: number): Promise<void> {
    await this.require(tx, resource, amount, { used: 0, reserved: amount });
  }

  /** Turns a reservation into use. */
  async settle(tx: TenantTx, resource: Resource, amount: number): Promise<void> {
    await this.quotas.apply(tx, resource, { used: amount, reserved: -amount });
  }

  async release(tx: TenantTx, resource: Resource, amount: number): Promise<void> {
    await this.quotas.apply(tx, resource, { used: 0, reserved: -amount });
  }

  private async require(tx: TenantTx, resource: Resource, requested: number, change: { used: number; reserved: number }): Promise<void> {
    if (await this.quotas.takeWithinLimit(tx, resource, change)) return;
    const quota = await this.quotas.findOne(tx, resource);
    if (!quota) throw new Error(`tenant ${tx.tenantId} has no quota row for ${resource}`);
    throw new QuotaExceeded({ resource, limit: quota.hardLimit ?? 0, used: quota.used + quota.reserved, requested });
  }
}
