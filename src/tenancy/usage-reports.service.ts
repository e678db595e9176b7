import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import { bucketsOf, type UsageRange } from './usage-range.js';
import { UsageReportsRepository, type UsageFilter } from './usage-reports.repository.js';
import { addSums, NO_CALLS, type UsageSums } from './usage-sums.js';

const DAY_MS = 24 * 3_600_000;
const RECENT_DAYS = [1, 7, 30] as const;
const MOST_USED = 10;

export interface UsageReport {
  range: UsageRange;
  /** The sum of the series. */
  totals: UsageSums;
  /** Every hour or day of the range, also those without calls. */
  series: { start: Date; sums: UsageSums }[];
  /** The ten most used, busiest first. */
  endpoints: { route: string; sums: UsageSums }[];
  /** Requests in the hours that the last 1, 7 and 30 days touch, whatever the range. */
  recent: { lastDay: number; last7Days: number; last30Days: number };
}

/** What was asked of the server, as its tenants see it. Up to a flush interval behind the requests. */
@Injectable()
export class UsageReports {
  constructor(private readonly usage: UsageReportsRepository) {}

  /** Of the whole tenant, or of one key. */
  async report(tx: TenantTx, range: UsageRange, { apiKeyId }: Pick<UsageFilter, 'apiKeyId'> = {}): Promise<UsageReport> {
    const filter = { from: range.from, to: range.to, apiKeyId };
    const series = await this.seriesOf(tx, range, filter);
    const endpoints = await this.usage.sumBy(tx, filter, ['route'], MOST_USED);
    const recent = await this.recentOf(tx, apiKeyId);
    return { range, series, recent, totals: addSums(series.map(({ sums }) => sums)), endpoints: endpoints.map(({ route, ...sums }) => ({ route, sums })) };
  }

  private async seriesOf(tx: TenantTx, range: UsageRange, filter: UsageFilter): Promise<UsageReport['series']> {
    const rows = await this.usage.sumBy(tx, filter, [range.granularity]);
    const sumsAt = new Map(rows.map(({ hour, day, ...sums }: UsageSums & { hour?: Date; day?: Date }) => [(hour ?? day)!.getTime(), sums]));
    return bucketsOf(range).map((start) => ({ start, sums: sumsAt.get(start.getTime()) ?? NO_CALLS }));
  }

  private async recentOf(tx: TenantTx, apiKeyId: string | undefined): Promise<UsageReport['recent']> {
    const now = Date.now();
    const [lastDay, last7Days, last30Days] = await this.usage.countSince(tx, RECENT_DAYS.map((days) => new Date(now - days * DAY_MS)), apiKeyId);
    return { lastDay: lastDay!, last7Days: last7Days!, last30Days: last30Days! };
  }
}
