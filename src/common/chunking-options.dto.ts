import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, Max, Min } from 'class-validator';
import { NumberFromText, Omittable } from './validation.js';
import { CHUNKING_STRATEGIES, type ChunkingStrategy } from './chunking.js';

const OptionalNumber = (minimum: number, maximum: number, example: number): PropertyDecorator =>
  applyDecorators(ApiPropertyOptional({ minimum, maximum, example }), Omittable(), IsInt(), Min(minimum), Max(maximum));

/** Characters. */
export const ChunkSize = (): PropertyDecorator => OptionalNumber(100, 16_000, 2000);
/** Characters. */
export const ChunkOverlap = (): PropertyDecorator => OptionalNumber(0, 4000, 200);
export const Strategy = (standard?: ChunkingStrategy): PropertyDecorator =>
  applyDecorators(ApiPropertyOptional({ enum: CHUNKING_STRATEGIES, ...(standard && { default: standard }) }), Omittable(), IsIn(CHUNKING_STRATEGIES));

/** How a document is cut. */
export class ChunkingOptionsDto {
  /** Characters in a chunk, at most. Default: the database's, or else the tenant's `default_chunk_size`. */
  @ChunkSize()
  @NumberFromText()
  chunk_size?: number;

  /** Characters that neighbouring chunks share, at most. Default: the database's, or else the tenant's `default_chunk_overlap`. */
  @ChunkOverlap()
  @NumberFromText()
  chunk_overlap?: number;

  /**
   * `recursive`: by headings, then by size at the end of a paragraph, a line, a sentence or a word. `sentence`: by headings, then whole sentences, also in
   * the overlap. `page`: a page (slide, sheet) is a chunk, and no chunk crosses to the next page. `heading`: a section with its subsections is
   * a chunk; small neighbours under the same heading are merged. What is larger than a chunk is cut by size.
   */
  @Strategy('recursive')
  chunking_strategy?: ChunkingStrategy;
}
