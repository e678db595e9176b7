import { ApiProperty } from '@nestjs/swagger';
import type { StoredChunk } from '../chunks.repository.js';
import type { Chunk } from '../ingestion/chunking/chunking.js';

export class PreviewedChunkDto {
  /** From 0, in the order of the text. */
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

export class ChunkDto extends PreviewedChunkDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  @ApiProperty({ format: 'uuid' })
  document_id: string;
  version: number;
  /** The document's. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata: object;

  static fromStored(chunk: StoredChunk, metadata: object): ChunkDto {
    return { id: chunk.id, document_id: chunk.documentId, version: chunk.version, ...PreviewedChunkDto.from(chunk), metadata };
  }
}
