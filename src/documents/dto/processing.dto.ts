import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsString, MaxLength } from 'class-validator';
import { Omittable } from '../../common/validation.js';
import { CHUNKING_STRATEGIES, type Chunk, type Chunking, type ChunkingStrategy } from '../ingestion/chunking/chunking.js';
import { ChunkingOptionsDto } from './chunking-options.dto.js';
import { TEXT_TYPES } from './ingest.dto.js';

export class PreviewChunksDto extends ChunkingOptionsDto {
  /** @example '# Decisions\n\nThe board approved the budget of 2027.' */
  @IsString()
  @MaxLength(1_000_000)
  content: string;

  @ApiPropertyOptional({ enum: TEXT_TYPES, default: 'text/markdown' })
  @Omittable()
  @IsIn(TEXT_TYPES)
  content_type: (typeof TEXT_TYPES)[number] = 'text/markdown';
}

export class PreviewedChunkDto {
  /** From 0. */
  index: number;
  text: string;
  /** Of the encoding o200k_base. */
  token_count: number;
  /** Where it begins, in Unicode code points of the extracted text. */
  char_start: number;
  /** Where it ends, exclusive, in Unicode code points of the extracted text. */
  char_end: number;
  page_from: number | null;
  page_to: number | null;
  /** The headings above all of the text, outermost first. */
  heading_path: string[];

  static from(chunk: Chunk): PreviewedChunkDto {
    return {
      index: chunk.index,
      text: chunk.text,
      token_count: chunk.tokenCount,
      char_start: chunk.charStart,
      char_end: chunk.charEnd,
      page_from: chunk.pageFrom,
      page_to: chunk.pageTo,
      heading_path: chunk.headingPath,
    };
  }
}

export class ChunkPreviewDto {
  chunks: PreviewedChunkDto[];
  total_chunks: number;
  /** Of all chunks together, so that what neighbours share counts twice. */
  total_tokens: number;
  chunk_size: number;
  chunk_overlap: number;
  @ApiProperty({ enum: CHUNKING_STRATEGIES })
  chunking_strategy: ChunkingStrategy;

  static from(chunks: readonly Chunk[], { chunkSize, chunkOverlap, chunkingStrategy }: Chunking): ChunkPreviewDto {
    return {
      chunks: chunks.map((chunk) => PreviewedChunkDto.from(chunk)),
      total_chunks: chunks.length,
      total_tokens: chunks.reduce((total, { tokenCount }) => total + tokenCount, 0),
      chunk_size: chunkSize,
      chunk_overlap: chunkOverlap,
      chunking_strategy: chunkingStrategy,
    };
  }
}
