import { Injectable } from '@nestjs/common';
import { InsufficientScope } from '../common/insufficient-scope.js';
import type { Principal } from '../common/principal.js';
import { Transactions } from '../persistence/transactions.js';
import { TenantUsageDto, type TenantUsageQueryDto, type UsageGrouping } from './dto/tenant-usage.dto.js';
import { QuotaHistoryRepository } from './quota-history.repository.js';
import { bucketEndsOf, usageRange } from './usage-range.js';
import type { GroupDimension } from './usage-reports.repository.js';
import { UsageReports } from './usage-reports.service.js';

const DIMENSIONS: Readonly<Record<UsageGrouping, GroupDimension | null>> = { none: null, api_key: 'apiKeyId', route: 'route' };

/** What a tenant did and had over time, as it sees it itself. */
@Injectable()
export class TenantUsageService {
  constructor(
    private readonly transactions: Transactions,
    private readonly reports: UsageReports,
    private readonly history: QuotaHistoryRepository,
  ) {}

  /** @throws InsufficientScope when calls are to be told apart by key and the principal may not read keys */
  async report(principal: Principal, query: TenantUsageQueryDto): Promise<TenantUsageDto> {
    // The same figures that `GET /api-keys/{id}/usage` shows, and with their names.
    if (query.group_by === 'api_key' && !principal.permissions.includes('admin')) throw new InsufficientScope('admin');
    const range = usageRange(query);
    return this.transactions.forTenantReading(principal.tenantId, async (tx) => {
      const usage = await this.reports.overTime(tx, range, DIMENSIONS[query.group_by]);
      const stock = await this.history.stockAt(tx, bucketEndsOf(range));
      const embedded = await this.reports.embedded(tx, range);
      return TenantUsageDto.from(range, query.group_by, usage, { stock, embedded });
    });
  }
}
