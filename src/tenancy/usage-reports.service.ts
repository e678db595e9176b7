import { Injectable } from '@nestjs/common';
import type { EmbeddedAmount } from '../embeddings/embedder.js';
import type { TenantTx } from '../persistence/transactions.js';
import { bucketsOf, type UsageRange } from './usage-range.js';
import { UsageReportsRepository, type GroupDimension, type GroupSums, type UsageFilter } from './usage-reports.repository.js';
import { addSums, NO_CALLS, type UsageSums } from './usage-sums.js';

const DAY_MS = 24 * 3_600_000;
const RECENT_DAYS = [1, 7, 30] as const;
const MOST_USED = 10;
const MOST_GROUPS = 50;
const NOTHING_EMBEDDED: EmbeddedAmount = { texts: 0, tokens: 0 };

export interface UsagePoint {
  /** Of the hour or day. */
  start: Date;
  sums: UsageSums;
}

export interface UsageReport {
  range: UsageRange;
  /** The sum of the series. */
  totals: UsageSums;
  /** Every hour or day of the range, also those without calls. */
  series: UsagePoint[];
  /** The ten most used, busiest first. */
  endpoints: { route: string; sums: UsageSums }[];
  /** Requests in the hours that the last 1, 7 and 30 days touch, whatever the range. */
  recent: { lastDay: number; last7Days: number; last30Days: number };
}

/** One key's calls or one route's. */
export interface UsageGroup {
  /** A route, or a key's id, all zeros for people who signed in. */
  name: string;
  /** Null for what is no key, or one that is gone. */
  keyName: string | null;
  keyPrefix: string | null;
  totals: UsageSums;
  /** Only hours and days with calls. */
  series: UsagePoint[];
}

export interface OtherGroups extends Pick<UsageGroup, 'totals' | 'series'> {
  /** How many they are. */
  groups: number;
}

export interface UsageOverTime {
  /** The sum of the series, and that of all groups and the others where they are asked for. */
  totals: UsageSums;
  /** Every hour or day of the range, also those without calls. */
  series: UsagePoint[];
  /** The fifty with the most calls, busiest first. */
  groups: UsageGroup[];
  /** All that come after them, as one; null when none do. */
  others: OtherGroups | null;
}

const pointOf = ({ start, ...sums }: GroupSums): UsagePoint => ({ start, sums });
const totalsOf = (points: readonly UsagePoint[]): UsageSums => addSums(points.map(({ sums }) => sums));

function groupOf(rows: readonly GroupSums[]): UsageGroup {
  const { name, keyName, keyPrefix } = rows[0]!;
  const series = rows.map(pointOf);
  return { name: name!, keyName, keyPrefix, totals: totalsOf(series), series };
}

function othersOf(rows: readonly GroupSums[]): OtherGroups {
  const series = rows.map(pointOf);
  return { groups: Math.max(...rows.map(({ place }) => place)) - MOST_GROUPS, totals: totalsOf(series), series };
}

/** What was asked of the server, as its tenants see it. Up to a flush interval behind the requests. */
@Injectable()
export class UsageReports {
  constructor(private readonly usage: UsageReportsRepository) {}

  /** Of the whole tenant, or of one key. */
  async report(tx: TenantTx, range: UsageRange, { apiKeyId }: Pick<UsageFilter, 'apiKeyId'> = {}): Promise<UsageReport> {
    const filter = { from: range.from, to: range.to, apiKeyId };
    const series = await this.series(tx, range, filter);
    const endpoints = await this.usage.sumBy(tx, filter, ['route'], MOST_USED);
    const recent = await this.recentOf(tx, apiKeyId);
    return { range, series, recent, totals: totalsOf(series), endpoints: endpoints.map(({ route, ...sums }) => ({ route, sums })) };
  }

  /** Of the whole tenant, on request told apart by keys or by routes: in one statement, so that the parts add up to the whole. */
  async overTime(tx: TenantTx, range: UsageRange, by: GroupDimension | null): Promise<UsageOverTime> {
    if (by === null) {
      const series = await this.series(tx, range);
      return { series, totals: totalsOf(series), groups: [], others: null };
    }
    const rows = await this.usage.sumBusiest(tx, range, range.granularity, by, MOST_GROUPS);
    const rowsAt = Map.groupBy(rows, ({ start }) => start.getTime());
    const series = bucketsOf(range).map((start) => ({ start, sums: addSums(rowsAt.get(start.getTime()) ?? []) }));
    const rowsOf = Map.groupBy(rows, ({ name }) => name);
    const others = rowsOf.get(null);
    rowsOf.delete(null);
    return { series, totals: totalsOf(series), groups: [...rowsOf.values()].map(groupOf), others: others ? othersOf(others) : null };
  }

  /** Of the whole tenant, one for each hour or day of the range: jobs embed most of it, which belong to no route and no key. */
  async embedded(tx: TenantTx, range: UsageRange): Promise<EmbeddedAmount[]> {
    const rows = await this.usage.sumEmbeddings(tx, range);
    const amounts = new Map(rows.map(({ start, texts, tokens }) => [start.getTime(), { texts, tokens }]));
    return bucketsOf(range).map((start) => amounts.get(start.getTime()) ?? NOTHING_EMBEDDED);
  }

  private async series(tx: TenantTx, range: UsageRange, { apiKeyId }: Pick<UsageFilter, 'apiKeyId'> = {}): Promise<UsagePoint[]> {
    const rows = await this.usage.sumBy(tx, { from: range.from, to: range.to, apiKeyId }, [range.granularity]);
    const sumsAt = new Map(rows.map(({ hour, day, ...sums }: UsageSums & { hour?: Date; day?: Date }) => [(hour ?? day)!.getTime(), sums]));
    return bucketsOf(range).map((start) => ({ start, sums: sumsAt.get(start.getTime()) ?? NO_CALLS }));
  }

  private async recentOf(tx: TenantTx, apiKeyId: string | undefined): Promise<UsageReport['recent']> {
    const now = Date.now();
    const [lastDay, last7Days, last30Days] = await this.usage.countSince(tx, RECENT_DAYS.map((days) => new Date(now - days * DAY_MS)), apiKeyId);
    return { lastDay: lastDay!, last7Days: last7Days!, last30Days: last30Days! };
  }
}
