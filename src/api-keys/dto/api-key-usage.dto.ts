import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsDate, IsIn } from 'class-validator';
import { DateFromText, Omittable } from '../../common/validation.js';
import { GRANULARITIES, type Granularity } from '../../tenancy/usage-range.js';
import type { UsageReport } from '../../tenancy/usage-reports.service.js';
import { meanMs, p95Ms, type UsageSums } from '../../tenancy/usage-sums.js';

export class ApiKeyUsageQueryDto {
  /** Default: 30 days before `to`. With `hour` at most 35 days ago, with `day` 400. */
  @Omittable()
  @DateFromText()
  @IsDate({ message: 'from must be a time as in ISO 8601' })
  from?: Date;

  /** Default: now. */
  @Omittable()
  @DateFromText()
  @IsDate({ message: 'to must be a time as in ISO 8601' })
  to?: Date;

  /** Whole hours or whole UTC days: what `from` and `to` lie in counts whole. At most 31 days by hours, 400 by days. */
  @ApiPropertyOptional({ enum: GRANULARITIES, default: 'day' })
  @Omittable()
  @IsIn(GRANULARITIES)
  granularity: Granularity = 'day';
}

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
