import { createHmac, timingSafeEqual } from 'node:crypto';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsInt, IsString, Max, MaxLength, Min } from 'class-validator';
import { InvalidCursor } from './request-errors.js';
import { FlagFromText, NumberFromText, Omittable } from './validation.js';

/** The query of every list: newest first, one page of `limit` rows at a time. */
export class PageQueryDto {
  /** Rows in a page. */
  @ApiPropertyOptional({ type: 'integer', default: 50 })
  @Omittable()
  @NumberFromText()
  @IsInt()
  @Min(1)
  @Max(100)
  limit: number = 50;

  /** The `next_cursor` of the page before; keep the filters the same. */
  @Omittable()
  @IsString()
  @MaxLength(4000)
  cursor?: string;
}

/** For the lists that MoRAG's clients page by number. */
export class SkipPageQueryDto extends PageQueryDto {
  /** Rows to pass over; prefer `cursor`, which does not slow down with depth. */
  @ApiPropertyOptional({ type: 'integer', default: 0 })
  @Omittable()
  @NumberFromText()
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  skip: number = 0;
}

/** For the lists that count only when they are asked to. */
export class CountedPageQueryDto extends PageQueryDto {
  /** Whether to answer `total` as well; counting reads every row that matches. */
  @ApiPropertyOptional({ default: false })
  @Omittable()
  @FlagFromText()
  @IsBoolean()
  include_total: boolean = false;
}

/** Rows of one page, and the id of its last row where another page follows. Ids are UUIDv7, so their order is the order of creation. */
export interface Page<Row> {
  rows: Row[];
  nextAfter: string | null;
}

/** Takes `limit + 1` rows as read and says whether another page follows. */
export function pageOf<Row extends { id: string }>(rows: Row[], limit: number): Page<Row> {
  const page = rows.slice(0, limit);
  return { rows: page, nextAfter: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}

/** The members every list answers beside its rows. */
export class PageInfoDto {
  limit: number;
  /** Give it back as `cursor` to read on; null on the last page. */
  next_cursor: string | null;
  has_more: boolean;
}

export class CountedPageInfoDto extends PageInfoDto {
  /** How many match on all pages; only with `include_total`. */
  total?: number;
}

/**
 * Opaque cursors, authenticated with HMAC-SHA-256 over the position and the scope (tenant, list and filters),
 * so that one minted for another tenant or another filter is refused instead of silently skipping rows.
 */
export class Cursors {
  constructor(private readonly key: Buffer) {}

  decode(cursor: string | undefined, scope: string): string | null {
    if (cursor === undefined) return null;
    const [id = ''] = Buffer.from(cursor, 'base64url').toString('utf8').split('|');
    // As written, not as decoded: base64 reads many spellings of the same bytes.
    const given = Buffer.from(cursor);
    const expected = Buffer.from(this.encode(id, scope));
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new InvalidCursor();
    return id;
  }

  pageInfo(page: Page<unknown>, limit: number, scope: string): PageInfoDto {
    const next = page.nextAfter;
    return { limit, next_cursor: next === null ? null : this.encode(next, scope), has_more: next !== null };
  }

  private encode(id: string, scope: string): string {
    const mac = createHmac('sha256', this.key).update(`${scope}\n${id}`).digest().subarray(0, 16);
    return Buffer.from(`${id}|${mac.toString('base64url')}`).toString('base64url');
  }
}
