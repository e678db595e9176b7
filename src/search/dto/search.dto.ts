import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsInt, IsString, IsUUID, Length, Matches, Max, Min } from 'class-validator';
import { Omittable } from '../../common/validation.js';

export const SEARCH_MODES = ['hybrid', 'vector', 'keyword'] as const;
export type SearchMode = (typeof SEARCH_MODES)[number];

export class SearchDto {
  /** @example 'Who approved the budget?' */
  @IsString()
  @Length(1, 2000)
  @Matches(/\S/, { message: 'query must not be blank' })
  query: string;

  /** `hybrid` fuses words and meaning by rank (RRF, k = 60). */
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
  /** Cosine similarity, -1 to 1. */
  vector?: number;
  /** BM25. */
  keyword?: number;
}

export class SearchResultDto {
  @ApiProperty({ format: 'uuid' })
  chunk_id: string;
  score: number;
  scores: ScorePartsDto;
  text: string;
  citation: CitationDto;
  /** The document's own metadata. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata: object;
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
  warnings: string[];
}
