import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsInt, IsNumber, IsObject, IsString, IsUUID, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { AsSent, Omittable } from '../../common/validation.js';

export const SEARCH_MODES = ['hybrid', 'vector', 'keyword'] as const;
export type SearchMode = (typeof SEARCH_MODES)[number];

export const INCLUDABLE = ['text', 'metadata', 'scores', 'highlights'] as const;
export type Includable = (typeof INCLUDABLE)[number];

export class SearchDto {
  /** @example 'Who approved the budget?' */
  @IsString()
  @Length(1, 2000)
  @Matches(/\S/, { message: 'query must not be blank' })
  query: string;

  /** `hybrid` fuses words and meaning by rank (RRF, k = 60); a database whose server ranks no words is searched by vector then. */
  @ApiPropertyOptional({ enum: SEARCH_MODES, default: 'hybrid' })
  @Omittable()
  @IsIn(SEARCH_MODES)
  mode: SearchMode = 'hybrid';

  /** Only these databases; default: all you may use. */
  @ApiPropertyOptional({ type: 'array', items: { type: 'string', format: 'uuid' } })
  @Omittable()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @IsUUID(undefined, { each: true })
  database_ids?: string[];

  /** Only these databases, by name. */
  @Omittable()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @MaxLength(255, { each: true })
  @IsString({ each: true })
  databases?: string[];

  /** Only these documents. */
  @ApiPropertyOptional({ type: 'array', items: { type: 'string', format: 'uuid' } })
  @Omittable()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(1000)
  @IsUUID(undefined, { each: true })
  document_ids?: string[];

  /**
   * Only documents that fit. `{field: value}`, or `{field: {operator: value}}` with `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`,
   * `$exists`; several fields or operators must all hold; `$and` and `$or` take a list of filters, `$not` one. Fields are `type`, `title`,
   * `created_at` (ISO 8601) and the keys of your metadata (`metadata.title` for one that is called as those are). A list in the metadata fits when
   * one of its elements does; a missing key is as `null`, so `$ne` and `$nin` fit it; only numbers compare with numbers and text with text.
   * Such as `{"type": {"$in": ["pdf", "docx"]}, "year": {"$gte": 2024}, "$not": {"tags": "draft"}}`.
   */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @Omittable()
  @AsSent()
  @IsObject()
  filter?: object;

  /** Only results with this `score` or more; what a score means depends on `mode`. */
  @Omittable()
  @IsNumber({ allowNaN: false, allowInfinity: false })
  score_threshold?: number;

  /** Of one document no more than so many; then others take their places. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 100 })
  @Omittable()
  @IsInt()
  @Min(1)
  @Max(100)
  max_chunks_per_document?: number;

  /** What a result has besides its id, score and citation. `highlights` are found when they are asked for. */
  @ApiPropertyOptional({ enum: INCLUDABLE, isArray: true, maxItems: INCLUDABLE.length, default: ['text', 'metadata', 'scores'] })
  @Omittable()
  @IsArray()
  @ArrayMaxSize(INCLUDABLE.length)
  @ArrayUnique()
  @IsIn(INCLUDABLE, { each: true })
  include: Includable[] = ['text', 'metadata', 'scores'];

  /** Results, at most. */
  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: 10, example: 10 })
  @Omittable()
  @IsInt()
  @Min(1)
  @Max(100)
  top_k: number = 10;
}

/** Where a result stands in its document. */
export class CitationDto {
  @ApiProperty({ format: 'uuid' })
  document_id: string;
  document_title: string;
  version: number;
  @ApiProperty({ format: 'uuid' })
  database_id: string;
  page_from: number | null;
  page_to: number | null;
  /** From the outermost heading to the one above the text. */
  heading_path: string[];
  /** Offsets in Unicode code points of the extracted text. */
  char_start: number;
  char_end: number;
  source_url: string | null;
}

export class ScorePartsDto {
  /** Similarity by the database's distance: cosine (-1 to 1), dot product, or 1 / (1 + Euclidean distance). */
  vector?: number;
  /** BM25, or what the database's server has like it. */
  keyword?: number;
}

/** Words of the query in the text, in any of their forms. */
export class HighlightDto {
  /** Offsets in Unicode code points of the result's text; `end` is behind the last. */
  start: number;
  end: number;
}

export class SearchResultDto {
  @ApiProperty({ format: 'uuid' })
  chunk_id: string;
  /**
   * By which results are ordered, equal ones by `chunk_id`. `vector`: similarity; `keyword`: BM25; `hybrid`: 0 to 1, by rank. Databases with another
   * model, distance or kind of server than each other are merged by rank as well, in every mode.
   */
  score: number;
  scores?: ScorePartsDto;
  text?: string;
  citation: CitationDto;
  /** The document's own metadata. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  metadata?: object;
  highlights?: HighlightDto[];
}

/** Something that the results are without: such as `vector_store_unavailable` of one database while others answered. */
export class SearchWarningDto {
  code: string;
  message: string;
  @ApiPropertyOptional({ format: 'uuid' })
  database_id?: string;
}

export class FoundDocumentDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  title: string;
  /** How many of the results are from it. */
  count: number;
}

export class SearchResponseDto {
  @ApiProperty({ format: 'uuid' })
  query_id: string;
  took_ms: number;
  results: SearchResultDto[];
  documents: FoundDocumentDto[];
  warnings: SearchWarningDto[];
}
