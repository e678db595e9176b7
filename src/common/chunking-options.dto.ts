import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, Max, Min } from 'class-validator';
import { NumberFromText, Omittable } from './validation.js';
import { CHUNKING_STRATEGIES, type ChunkingStrategy } from './chunking.js';

/** How documents are cut. */
export class ChunkingOptionsDto {
  /** Characters in a chunk, at most. Default: the database's, or else the tenant's `default_chunk_size`. */
  @ApiPropertyOptional({ minimum: 100, maximum: 16_000, example: 2000 })
  @Omittable()
  @NumberFromText()
  @IsInt()
  @Min(100)
  @Max(16_000)
  chunk_size?: number;

  /** Characters that neighbouring chunks share, at most. Default: the database's, or else the tenant's `default_chunk_overlap`. */
  @ApiPropertyOptional({ minimum: 0, maximum: 4000, example: 200 })
  @Omittable()
  @NumberFromText()
  @IsInt()
  @Min(0)
  @Max(4000)
  chunk_overlap?: number;

  /**
   * `recursive`: by headings, then by size at the end of a paragraph, a line, a sentence or a word. `sentence`: by headings, then whole sentences, also in
   * the overlap. `page`: a page (slide, sheet) is a chunk, and no chunk crosses to the next page. `heading`: a section with its subsections is
   * a chunk; small neighbours under the same heading are merged. What is larger than a chunk is cut by size.
   */
  @ApiPropertyOptional({ enum: CHUNKING_STRATEGIES, default: 'recursive' })
  @Omittable()
  @IsIn(CHUNKING_STRATEGIES)
  chunking_strategy?: ChunkingStrategy;
}
