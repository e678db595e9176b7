import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { Transactions } from '../persistence/transactions.js';
import type { JobStatsDto } from './dto/job-stats.dto.js';
import { JobStatisticsRepository } from './job-statistics.repository.js';

const NONE = { PENDING: 0, WAITING_FOR_REMOTE_WORKER: 0, PROCESSING: 0, FINISHED: 0, FAILED: 0, CANCELLED: 0 };

/** How a tenant's jobs do, as far as the principal may see them. */
@Injectable()
export class JobStatistics {
  constructor(
    private readonly transactions: Transactions,
    private readonly statistics: JobStatisticsRepository,
  ) {}

  read({ tenantId, databaseIds }: Principal): Promise<JobStatsDto> {
    return this.transactions.forTenantReading(tenantId, async (tx) => {
      const byStatus = { ...NONE, ...(await this.statistics.countByStatus(tx, databaseIds)) };
      const open = await this.statistics.readOpen(tx, databaseIds);
      const { finished, failed, cancelled, averageSeconds, p50Seconds, p95Seconds } = await this.statistics.readRecent(tx, databaseIds);
      return {
        total: Object.values(byStatus).reduce((sum, jobs) => sum + jobs, 0),
        by_status: byStatus,
        by_stage: open.byStage,
        oldest_pending_seconds: open.oldestPendingSeconds,
        last_day: {
          finished,
          failed,
          cancelled,
          durations: { average_seconds: averageSeconds, p50_seconds: p50Seconds, p95_seconds: p95Seconds },
          failures_by_code: await this.statistics.listFailures(tx, databaseIds),
        },
      };
    });
  }
}
