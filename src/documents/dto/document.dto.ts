import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsString, IsUUID, MaxLength } from 'class-validator';
import { PageInfoDto, PageQueryDto } from '../../common/pagination.js';
import { Omittable } from '../../common/validation.js';
import { DOCUMENT_STATES, type DocumentState, type ProcessingError } from '../document.entity.js';
import type { DocumentWithCollection } from '../documents.repository.js';
import { CHUNKING_STRATEGIES, type ChunkingStrategy } from '../ingestion/chunking/chunking.js';
import type { DocumentType } from '../ingestion/media-type.js';
import { ALL_DOCUMENT_TYPES } from '../ingestion/remote-media.js';

const VISIBLE_STATES = DOCUMENT_STATES.filter((state) => state !== 'DELETED');

export class ProcessingErrorDto implements ProcessingError {
  /** Stable and snake_case, such as `no_text` or `encrypted_file`. */
  code: string;
  message: string;
  stage: string;
}

export class DocumentDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  title: string;
  /** The file's name as it was sent. */
  name: string;
  @ApiProperty({ enum: ALL_DOCUMENT_TYPES })
  type: DocumentType;
  @ApiProperty({ enum: VISIBLE_STATES })
  state: DocumentState;
  version: number;
  /** How many pieces it was cut into. */
  chunks: number;
  /** Characters in a chunk, at most. */
  chunk_size: number;
  /** Characters that neighbouring chunks share, at most. */
  chunk_overlap: number;
  @ApiProperty({ enum: CHUNKING_STRATEGIES })
  chunking_strategy: ChunkingStrategy;
  quality: number | null;
  size_bytes: number;
  /** SHA-256 of the original, hexadecimal. */
  content_checksum: string;
  source_url: string | null;
  @ApiProperty({ format: 'uuid' })
  database_id: string;
  collection_name: string;
  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata: object;
  @ApiProperty({ type: ProcessingErrorDto, nullable: true })
  processing_error: ProcessingErrorDto | null;
  upload_date: Date;
  processed_at: Date | null;
  created_at: Date;
  updated_at: Date;
  @ApiProperty({ format: 'uuid' })
  user_id: string;
  @ApiProperty({ format: 'uuid' })
  job_id: string;

  static from({ document, collectionName }: DocumentWithCollection): DocumentDto {
    return {
      id: document.id,
      title: document.title,
      name: document.name,
      type: document.type,
      state: document.state,
      version: document.version,
      chunks: document.chunkCount,
      chunk_size: document.chunkSize,
      chunk_overlap: document.chunkOverlap,
      chunking_strategy: document.chunkingStrategy,
      quality: document.quality,
      size_bytes: document.sizeBytes,
      content_checksum: document.contentChecksum,
      source_url: document.sourceUrl,
      database_id: document.databaseId,
      collection_name: collectionName,
      metadata: document.metadata,
      processing_error: document.processingError,
      upload_date: document.createdAt,
      processed_at: document.processedAt,
      created_at: document.createdAt,
      updated_at: document.updatedAt,
      user_id: document.userId,
      job_id: document.jobId,
    };
  }
}

export class DocumentListDto extends PageInfoDto {
  documents: DocumentDto[];
}

export class ListDocumentsQueryDto extends PageQueryDto {
  /** Only documents in this state. */
  @ApiPropertyOptional({ enum: VISIBLE_STATES })
  @Omittable()
  @IsIn(VISIBLE_STATES)
  state?: DocumentState;

  /** Only documents of this type. */
  @ApiPropertyOptional({ enum: ALL_DOCUMENT_TYPES })
  @Omittable()
  @IsIn(ALL_DOCUMENT_TYPES)
  type?: DocumentType;

  /** Only documents of this database. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  database_id?: string;

  /** Part of the title or the file name. */
  @Omittable()
  @IsString()
  @MaxLength(255)
  query?: string;
}
