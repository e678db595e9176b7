import { Injectable } from '@nestjs/common';
import type { EmbeddedAmount } from '../embeddings/embedder.js';
import type { TenantTx } from '../persistence/transactions.js';
import type { Granularity, UsageRange } from './usage-range.js';
import type { UsageSums } from './usage-sums.js';

export interface UsageFilter {
  /** The start of an hour, or of a UTC day where it lies so far back that hours are not kept. */
  from: Date;
  to: Date;
  /** All of the tenant's keys and people unless given. */
  apiKeyId?: string;
}

/** What sums can be told apart by. A report over days that are rolled up has them at midnight when it asks for hours. */
export interface UsageDimensions {
  hour: Date;
  day: Date;
  route: string;
  /** All zeros for people who signed in. */
  apiKeyId: string;
}

/** What calls can be grouped by over time. */
export type GroupDimension = 'route' | 'apiKeyId';

/** Calls of one group in one hour or day. */
export interface GroupSums extends UsageSums {
  start: Date;
  /** 1 is the busiest. Of those that are not told apart the last one that has calls in this hour or day. */
  place: number;
  /** A route, or a key's id, all zeros for people who signed in; null for those that are not told apart. */
  name: string | null;
  keyName: string | null;
  keyPrefix: string | null;
}

/** What was embedded in one hour or day. */
export interface EmbeddedSums extends EmbeddedAmount {
  start: Date;
}

const COLUMNS: Readonly<Record<keyof UsageDimensions, string>> = { hour: 'hour', day: `date_trunc('day', hour, 'UTC')`, route: 'route', apiKeyId: 'api_key_id' };

/** What there is to say of a group beside its name. Keys that are gone have left their sums behind. */
const KEY_OF = {
  route: { columns: 'NULL AS "keyName", NULL AS "keyPrefix"', join: '' },
  apiKeyId: { columns: 'k.name AS "keyName", k.key_prefix AS "keyPrefix"', join: 'LEFT JOIN api_keys k ON k.tenant_id = $1 AND k.id = sums.name' },
} as const;

const SUMS = `sum(requests)::float8 AS requests, coalesce(sum(requests) FILTER (WHERE status_class >= 4), 0)::float8 AS failures, sum(duration_ms) AS "durationMs",
  sum(bytes_in)::float8 AS "bytesIn", sum(bytes_out)::float8 AS "bytesOut", to_json(sum_histograms(latency)) AS latency`;

/** Hours as they were counted, and whole days, standing at midnight, of those that were rolled up: never the same call in both. */
const USAGE = `(
  SELECT hour, api_key_id, route, status_class, requests, duration_ms, bytes_in, bytes_out, latency FROM usage_hourly
   WHERE tenant_id = $1 AND hour >= $2 AND hour < $3 AND ($4::uuid IS NULL OR api_key_id = $4)
  UNION ALL
  SELECT day::timestamp AT TIME ZONE 'UTC', api_key_id, route, status_class, requests, duration_ms, bytes_in, bytes_out, latency FROM usage_daily
   WHERE tenant_id = $1 AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date AND day < ($3::timestamptz AT TIME ZONE 'UTC')::date AND ($4::uuid IS NULL OR api_key_id = $4)
) AS usage`;

/** Reads what `UsageRepository` wrote and `UsageRollUpRepository` summed up. */
@Injectable()
export class UsageReportsRepository {
  /** One row for each combination of the dimensions that has any calls, the busiest first. */
  sumBy<Name extends keyof UsageDimensions>(tx: TenantTx, filter: UsageFilter, by: readonly Name[], limit?: number): Promise<(UsageSums & Pick<UsageDimensions, Name>)[]> {
    const columns = by.map((name) => `${COLUMNS[name]} AS "${name}"`).join(', ');
    const groups = by.map((_, at) => at + 1).join(', ');
    return tx.manager.query(`SELECT ${columns}, ${SUMS} FROM ${USAGE} GROUP BY ${groups} ORDER BY requests DESC, ${groups} LIMIT $5`, [
      tx.tenantId, filter.from, filter.to, filter.apiKeyId ?? null, limit ?? null,
    ]);
  }

  /**
   * By route or by key, and by hour or day: the so many busiest apart and all others together, the busiest first and each in the order of time.
   * Only those hours and days of a group that have any calls.
   */
  sumBusiest(tx: TenantTx, filter: UsageFilter, granularity: Granularity, by: GroupDimension, groups: number): Promise<GroupSums[]> {
    const column = COLUMNS[by];
    const { columns, join } = KEY_OF[by];
    return tx.manager.query(
      `WITH ranked AS (SELECT ${column}, row_number() OVER (ORDER BY sum(requests) DESC, ${column}) AS place FROM ${USAGE} GROUP BY 1)
       SELECT sums.*, ${columns}
         FROM (SELECT ${COLUMNS[granularity]} AS start, CASE WHEN place <= $5 THEN ${column} END AS name, max(place)::int AS place, ${SUMS}
                 FROM ${USAGE} JOIN ranked USING (${column}) GROUP BY 1, 2) AS sums ${join}
        ORDER BY least(place, $5 + 1), start`,
      [tx.tenantId, filter.from, filter.to, filter.apiKeyId ?? null, groups],
    );
  }

  /** What was embedded; only the hours or days in which anything was. */
  sumEmbeddings(tx: TenantTx, { from, to, granularity }: UsageRange): Promise<EmbeddedSums[]> {
    return tx.manager.query(
      `SELECT ${COLUMNS[granularity]} AS start, sum(texts)::float8 AS texts, sum(tokens)::float8 AS tokens FROM embedding_usage
        WHERE tenant_id = $1 AND hour >= $2 AND hour < $3 GROUP BY 1`,
      [tx.tenantId, from, to],
    );
  }

  /** Requests in the hours since each of these times, which have to be later than hours are rolled up; in the same order. */
  async countSince(tx: TenantTx, times: readonly Date[], apiKeyId?: string): Promise<number[]> {
    const rows = await tx.manager.query<{ requests: number }[]>(
      `SELECT (SELECT coalesce(sum(requests), 0)::float8 FROM usage_hourly
                WHERE tenant_id = $1 AND hour >= date_trunc('hour', since, 'UTC') AND ($3::uuid IS NULL OR api_key_id = $3)) AS requests
         FROM unnest($2::timestamptz[]) WITH ORDINALITY AS asked (since, position) ORDER BY position`,
      [tx.tenantId, times, apiKeyId ?? null],
    );
    return rows.map(({ requests }) => requests);
  }
}
