import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../common/pagination.js';
import { Transactions } from '../persistence/transactions.js';
import { TenantInfoDto, type ListTenantsQueryDto, type TenantListDto } from './dto/tenant.dto.js';
import { QuotasRepository } from './quotas.repository.js';
import { TenantsRepository, type TenantFilter } from './tenants.repository.js';
import { TenantsService, withCalls } from './tenants.service.js';

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

/** All tenants, as the administrator sees them. */
@Injectable()
export class TenantAdministration {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: TenantsRepository,
    private readonly quotas: QuotasRepository,
    private readonly tenants: TenantsService,
    private readonly cursors: Cursors,
  ) {}

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
}
