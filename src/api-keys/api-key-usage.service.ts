import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { Transactions } from '../persistence/transactions.js';
import { usageRange } from '../tenancy/usage-range.js';
import { UsageReports } from '../tenancy/usage-reports.service.js';
import { ApiKeyNotFound } from './api-keys.errors.js';
import { ApiKeysRepository } from './api-keys.repository.js';
import { ApiKeyUsageStatsDto, type ApiKeyUsageQueryDto } from './dto/api-key-usage.dto.js';

/** What a key was used for, also one that was revoked. */
@Injectable()
export class ApiKeyUsageService {
  constructor(
    private readonly transactions: Transactions,
    private readonly apiKeys: ApiKeysRepository,
    private readonly reports: UsageReports,
  ) {}

  async stats(principal: Principal, id: string, query: ApiKeyUsageQueryDto): Promise<ApiKeyUsageStatsDto> {
    const range = usageRange(query);
    const report = await this.transactions.forTenantReading(principal.tenantId, async (tx) => {
      if (!(await this.apiKeys.findById(tx, id))) throw new ApiKeyNotFound();
      return this.reports.report(tx, range, { apiKeyId: id });
    });
    return ApiKeyUsageStatsDto.from(report);
  }
}
