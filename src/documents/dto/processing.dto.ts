import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsString, MaxLength } from 'class-validator';
import { IsAbsoluteUrl, Omittable } from '../../common/validation.js';
import { CHUNKING_STRATEGIES, type ChunkingStrategy } from '../../common/chunking.js';
import type { Chunk, Chunking } from '../ingestion/chunking/chunking.js';
import { DOCUMENT_TYPES, type ReadableType } from '../ingestion/media-type.js';
import { ChunkingOptionsDto } from '../../common/chunking-options.dto.js';
import { PreviewedChunkDto } from './chunk.dto.js';
import { TEXT_TYPES } from './ingest.dto.js';

const TYPES = Object.keys(DOCUMENT_TYPES) as ReadableType[];

/** The multipart form, as the documentation shows it. */
export class ProcessFileFormDto {
  @ApiProperty({ type: 'string', format: 'binary', description: 'Any file that can be ingested' })
  file: unknown;
}

export class ProcessUrlDto {
  /** @example 'https://www.rfc-editor.org/rfc/rfc9457.html' */
  @IsAbsoluteUrl()
  url: string;
}

export class ConversionMetadataDto {
  title: string | null;
  @ApiProperty({ enum: TYPES })
  type: ReadableType;
  /** The file's name as it was sent, or as a browser would save it. */
  name: string;
  size_bytes: number;
  /** Null when the format knows no pages. */
  pages: number | null;
  /** Where redirects led, when a URL was asked for. */
  source_url: string | null;
  /** What else the file says of itself, such as `author` or `language`. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  properties: object;
}

export class ConversionDto {
  @ApiProperty({ enum: [true] })
  success: true;
  /** Markdown, or plain text where the file has no structure. */
  content: string;
  metadata: ConversionMetadataDto;
  /** Seconds. */
  processing_time: number;
}

export class PreviewChunksDto extends ChunkingOptionsDto {
  /** @example "# Decisions\n\nThe board approved the budget of 2027." */
  @IsString()
  @MaxLength(1_000_000)
  content: string;

  @ApiPropertyOptional({ enum: TEXT_TYPES, default: 'text/markdown' })
  @Omittable()
  @IsIn(TEXT_TYPES)
  content_type: (typeof TEXT_TYPES)[number] = 'text/markdown';
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
