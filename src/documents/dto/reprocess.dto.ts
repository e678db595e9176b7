import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, Max, Min } from 'class-validator';
import { Omittable } from '../../common/validation.js';
import { CHUNKING_STRATEGIES, type ChunkingStrategy } from '../../common/chunking.js';

/** How the next version is cut; what is not named stays as it is. */
export class ReprocessDto {
  /** Characters in a chunk, at most. */
  @ApiPropertyOptional({ minimum: 100, maximum: 16_000, example: 2000 })
  @Omittable()
  @IsInt()
  @Min(100)
  @Max(16_000)
  chunk_size?: number;

  /** Characters that neighbouring chunks share, at most. */
  @ApiPropertyOptional({ minimum: 0, maximum: 4000, example: 200 })
  @Omittable()
  @IsInt()
  @Min(0)
  @Max(4000)
  chunk_overlap?: number;

  @ApiPropertyOptional({ enum: CHUNKING_STRATEGIES })
  @Omittable()
  @IsIn(CHUNKING_STRATEGIES)
  chunking_strategy?: ChunkingStrategy;
}
