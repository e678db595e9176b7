import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { Omittable } from '../../common/validation.js';
import type { EmbeddedAmount } from '../../embeddings/embedder.js';
import type { Stock } from '../quota-history.repository.js';
import { NO_KEY } from '../usage-batch.js';
import { UsageRangeQuery } from '../usage-range-query.js';
import { GRANULARITIES, type Granularity, type UsageRange } from '../usage-range.js';
import type { OtherGroups, UsageGroup, UsageOverTime, UsagePoint } from '../usage-reports.service.js';
import { meanMs, p95Ms, type UsageSums } from '../usage-sums.js';

export const USAGE_GROUPINGS = ['none', 'api_key', 'route'] as const;
export type UsageGrouping = (typeof USAGE_GROUPINGS)[number];

export class TenantUsageQueryDto extends UsageRangeQuery {
  /** Tells calls apart by key, which needs the permission `admin` as everything about keys does, or by route. */
  @ApiPropertyOptional({ enum: USAGE_GROUPINGS, default: 'none' })
  @Omittable()
  @IsIn(USAGE_GROUPINGS)
  group_by: UsageGrouping = 'none';
}

export class TenantUsageFiguresDto {
  /**
   * Answered in this time, refusals included.
   * @example 1200
   */
  requests: number;
  /**
   * Answered with 400 or more.
   * @example 3
   */
  errors: number;
  /**
   * Null when there were no requests.
   * @example 8.125
   */
  avg_response_time_ms: number | null;
  /**
   * 95 of 100 requests took no longer; within a factor of 1.42. Null when there were no requests.
   * @example 21.5
   */
  p95_response_time_ms: number | null;
  /**
   * Bodies of requests.
   * @example 52400
   */
  bytes_in: number;
  /**
   * Bodies of answers.
   * @example 961000
   */
  bytes_out: number;

  static of(sums: UsageSums): TenantUsageFiguresDto {
    return {
      requests: sums.requests,
      errors: sums.failures,
      avg_response_time_ms: meanMs(sums),
      p95_response_time_ms: p95Ms(sums),
      bytes_in: sums.bytesIn,
      bytes_out: sums.bytesOut,
    };
  }
}

/** One hour or day. */
export class TenantUsageGroupPointDto extends TenantUsageFiguresDto {
  /** Of the hour or day. */
  start: Date;

  static at({ start, sums }: UsagePoint): TenantUsageGroupPointDto {
    return { start, ...TenantUsageFiguresDto.of(sums) };
  }
}

/** The calls of the whole tenant, and what was embedded for it. */
export class TenantUsageTotalsDto extends TenantUsageFiguresDto {
  /**
   * Passages and questions, also of reindexing. Like the next one of the whole tenant, not of a key or route: most of it is done by jobs.
   * @example 380
   */
  embedding_texts: number;
  /**
   * In these texts, as the embedding provider counted them; estimated where it does not say.
   * @example 91200
   */
  embedding_tokens: number;
}

/** One hour or day, and what there was at its end. */
export class TenantUsagePointDto extends TenantUsageGroupPointDto {
  /**
   * Passages and questions, also of reindexing.
   * @example 380
   */
  embedding_texts: number;
  /**
   * In these texts, as the embedding provider counted them; estimated where it does not say.
   * @example 91200
   */
  embedding_tokens: number;
  /**
   * At the end of the hour or day, or now while it lasts, like the next two. Null where it is not known: before an upgrade from 0.1.
   * @example 42
   */
  documents: number | null;
  /**
   * Of the files of these documents.
   * @example 1048576
   */
  storage_bytes: number | null;
  /**
   * Of the passages of these documents.
   * @example 380
   */
  vector_points: number | null;

  static with(point: UsagePoint, { documents, storageBytes, vectorPoints }: Stock, embedded: EmbeddedAmount): TenantUsagePointDto {
    return { ...TenantUsageGroupPointDto.at(point), ...embeddingFields(embedded), documents, storage_bytes: storageBytes, vector_points: vectorPoints };
  }
}

const embeddingFields = ({ texts, tokens }: EmbeddedAmount): Pick<TenantUsageTotalsDto, 'embedding_texts' | 'embedding_tokens'> => ({ embedding_texts: texts, embedding_tokens: tokens });

const addAmounts = (all: readonly EmbeddedAmount[]): EmbeddedAmount => all.reduce((sum, { texts, tokens }) => ({ texts: sum.texts + texts, tokens: sum.tokens + tokens }), { texts: 0, tokens: 0 });

/** The calls of one key or of one route. */
export class TenantUsageGroupDto extends TenantUsageFiguresDto {
  /** Only with `group_by=api_key`, like the next two. Null for people who signed in. */
  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true })
  api_key_id?: string | null;
  /**
   * Null for people who signed in, and for a key that is gone.
   * @example "Nightly import"
   */
  api_key_name?: string | null;
  /**
   * Null like the name.
   * @example "mk_live_4xYz"
   */
  api_key_prefix?: string | null;
  /**
   * Only with `group_by=route`: method and pattern.
   * @example "GET /api/v1/documents/:id"
   */
  route?: string;
  /** The hours or days with requests, in order. */
  series: TenantUsageGroupPointDto[];

  static from(by: UsageGrouping, { name, keyName, keyPrefix, totals, series }: UsageGroup): TenantUsageGroupDto {
    const who = by === 'route' ? { route: name } : { api_key_id: name === NO_KEY ? null : name, api_key_name: keyName, api_key_prefix: keyPrefix };
    return { ...who, ...TenantUsageFiguresDto.of(totals), series: series.map((point) => TenantUsageGroupPointDto.at(point)) };
  }
}

/** All groups that come after the fifty busiest, as one. */
export class TenantUsageOthersDto extends TenantUsageFiguresDto {
  /**
   * How many they are.
   * @example 7
   */
  groups: number;
  /** The hours or days with requests, in order. */
  series: TenantUsageGroupPointDto[];

  static from({ groups, totals, series }: OtherGroups): TenantUsageOthersDto {
    return { groups, ...TenantUsageFiguresDto.of(totals), series: series.map((point) => TenantUsageGroupPointDto.at(point)) };
  }
}

/** What is known of the whole tenant only, one for each hour or day. */
export interface WholeTenant {
  stock: readonly Stock[];
  embedded: readonly EmbeddedAmount[];
}

/** What a tenant did and had over time. Requests of the last second or two may still be missing. */
export class TenantUsageDto {
  /** Start of the first hour or day. */
  from: Date;
  /** End of the last one. */
  to: Date;
  @ApiProperty({ enum: GRANULARITIES })
  granularity: Granularity;
  @ApiProperty({ enum: USAGE_GROUPINGS })
  group_by: UsageGrouping;
  /** The sum of the series, and that of `groups` and `others` where these are asked for. */
  totals: TenantUsageTotalsDto;
  /** Of the whole tenant: every hour or day of the range in order, also those without a request. */
  series: TenantUsagePointDto[];
  /** The fifty busiest keys or routes, busiest first; empty with `group_by=none`. */
  groups: TenantUsageGroupDto[];
  /** Null when there are no more than fifty. */
  others: TenantUsageOthersDto | null;

  static from(range: UsageRange, by: UsageGrouping, { totals, series, groups, others }: UsageOverTime, { stock, embedded }: WholeTenant): TenantUsageDto {
    return {
      ...range,
      group_by: by,
      totals: { ...TenantUsageFiguresDto.of(totals), ...embeddingFields(addAmounts(embedded)) },
      series: series.map((point, at) => TenantUsagePointDto.with(point, stock[at]!, embedded[at]!)),
      groups: groups.map((group) => TenantUsageGroupDto.from(by, group)),
      others: others && TenantUsageOthersDto.from(others),
    };
  }
}
