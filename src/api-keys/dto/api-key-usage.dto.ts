import { ApiProperty } from '@nestjs/swagger';
import { UsageRangeQuery } from '../../tenancy/usage-range-query.js';
import { GRANULARITIES, type Granularity } from '../../tenancy/usage-range.js';
import type { UsageReport } from '../../tenancy/usage-reports.service.js';
import { meanMs, p95Ms, type UsageSums } from '../../tenancy/usage-sums.js';

export class ApiKeyUsageQueryDto extends UsageRangeQuery {}

export class UsageFiguresDto {
  total_requests: number;
  successful_requests: number;
  /** Answered with 400 or more. */
  failed_requests: number;
  /** Null when there were no requests. */
  avg_response_time_ms: number | null;
  /** 95 of 100 requests took no longer; within a factor of 1.42. Null when there were no requests. */
  p95_response_time_ms: number | null;
  /** Bodies, in and out. */
  total_data_transferred_bytes: number;

  static of(sums: UsageSums): UsageFiguresDto {
    return {
      total_requests: sums.requests,
      successful_requests: sums.requests - sums.failures,
      failed_requests: sums.failures,
      avg_response_time_ms: meanMs(sums),
      p95_response_time_ms: p95Ms(sums),
      total_data_transferred_bytes: sums.bytesIn + sums.bytesOut,
    };
  }
}

export class EndpointUsageDto extends UsageFiguresDto {
  /** Method and pattern, such as `GET /api/v1/documents/:id`. */
  endpoint: string;
}

export class UsagePointDto extends UsageFiguresDto {
  /** Of the hour or day. */
  start: Date;
}

/** What a key was used for. Requests of the last second or two may still be missing. */
export class ApiKeyUsageStatsDto extends UsageFiguresDto {
  /** Start of the first hour or day of the series, which the totals are the sum of. */
  from: Date;
  /** End of the last one. */
  to: Date;
  @ApiProperty({ enum: GRANULARITIES })
  granularity: Granularity;
  /** In the hours that the last 24 lie in, whatever the range; the next two alike. */
  last_24h_requests: number;
  last_7d_requests: number;
  last_30d_requests: number;
  /** The ten busiest. */
  most_used_endpoints: EndpointUsageDto[];
  /** Every hour or day of the range in order, also those without a request. */
  series: UsagePointDto[];

  static from({ range, totals, recent, endpoints, series }: UsageReport): ApiKeyUsageStatsDto {
    return {
      ...range,
      ...UsageFiguresDto.of(totals),
      last_24h_requests: recent.lastDay,
      last_7d_requests: recent.last7Days,
      last_30d_requests: recent.last30Days,
      most_used_endpoints: endpoints.map(({ route, sums }) => ({ endpoint: route, ...UsageFiguresDto.of(sums) })),
      series: series.map(({ start, sums }) => ({ start, ...UsageFiguresDto.of(sums) })),
    };
  }
}
