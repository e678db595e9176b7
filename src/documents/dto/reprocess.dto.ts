import type { ChunkingStrategy } from '../../common/chunking.js';
import { ChunkOverlap, ChunkSize, Strategy } from '../../common/chunking-options.dto.js';

/** How the next version is cut; what is not named stays as it is. */
export class ReprocessDto {
  /** Characters in a chunk, at most. */
  @ChunkSize()
  chunk_size?: number;

  /** Characters that neighbouring chunks share, at most. */
  @ChunkOverlap()
  chunk_overlap?: number;

  @Strategy()
  chunking_strategy?: ChunkingStrategy;
}
