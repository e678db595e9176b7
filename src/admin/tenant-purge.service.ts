import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { ValidationFailed } from '../common/request-errors.js';
import { TenantChanges } from '../events/tenant-changes.js';
import { JobsService } from '../jobs/jobs.service.js';
import { TenantRemoval } from '../tenancy/tenant-removal.service.js';
import { UserAdministration } from '../users/user-administration.service.js';
import { OwnTenant } from './admin.errors.js';
import type { PurgeTenantQueryDto, TenantPurgeDto } from './dto/tenant-purge.dto.js';
import { TenantPurgeHandler } from './tenant-purge.handler.js';

/** Begins the end of a tenant: nobody gets in any more from the answer on, and the rest is the handler's. */
@Injectable()
export class TenantPurge {
  constructor(
    private readonly changes: TenantChanges,
    private readonly tenants: TenantRemoval,
    private readonly people: UserAdministration,
    private readonly jobs: JobsService,
    private readonly handler: TenantPurgeHandler,
  ) {}

  /** @throws ValidationFailed, OwnTenant, TenantNotFound, LastAdministrator */
  async request(administrator: Principal, tenantId: string, { confirm }: PurgeTenantQueryDto): Promise<TenantPurgeDto> {
    if (confirm.toLowerCase() !== tenantId) throw new ValidationFailed([{ field: 'confirm', message: 'confirm must be the id of the tenant that is to be purged' }]);
    if (administrator.tenantId === tenantId) throw new OwnTenant();
    const requestedAt = await this.changes.behindFenceAsSystem(tenantId, async (tx) => {
      // The people first: they are locked before their tenant wherever both are.
      await this.people.shutOut(tx, tenantId);
      const request = await this.tenants.request(tx, tenantId);
      if (request.isFirst) await this.jobs.enqueueTaskOn(tx, tenantId, this.handler);
      return request.requestedAt;
    });
    return { tenant_id: tenantId, status: 'purging', purge_requested_at: requestedAt, message: 'Nobody of it gets in any more. Everything it has is being removed; when that is done, GET answers 404.' };
  }
}
