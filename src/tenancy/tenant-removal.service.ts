import { Injectable } from '@nestjs/common';
import type { AnyTx, SystemTx } from '../persistence/transactions.js';
import { TenantBeingPurged, TenantNotFound } from './tenancy.errors.js';
import { TenantsRepository } from './tenants.repository.js';

/** The end of a tenant, as its own row records it: requested once, never taken back, and over when the row is gone. */
@Injectable()
export class TenantRemoval {
  constructor(private readonly tenants: TenantsRepository) {}

  /** Makes the tenant inactive for good. @throws TenantNotFound */
  async request(tx: SystemTx, tenantId: string): Promise<{ requestedAt: Date; isFirst: boolean }> {
    const request = await this.tenants.requestPurge(tx, tenantId);
    if (!request) throw new TenantNotFound();
    return request;
  }

  /** What is about to be removed is not changed any more. @throws TenantBeingPurged */
  async refuseMeanwhile(tx: AnyTx, tenantId: string): Promise<void> {
    if (await this.tenants.lockPurgeRequest(tx, tenantId)) throw new TenantBeingPurged();
  }

  async isRequested(tx: SystemTx, tenantId: string): Promise<boolean> {
    return Boolean(await this.tenants.lockPurgeRequest(tx, tenantId));
  }

  /** The last act. */
  finish(tx: SystemTx, tenantId: string): Promise<void> {
    return this.tenants.remove(tx, tenantId);
  }
}
