import { ApiProperty, ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import { IsDate, IsIn, IsObject, IsString, IsUUID, Length, MaxLength } from 'class-validator';
import { CountedPageInfoDto, CountedPageQueryDto } from '../../common/pagination.js';
import { AsSent, DateFromText, Omittable } from '../../common/validation.js';
import { DOCUMENT_STATES, type DocumentState, type ProcessingError } from '../document.entity.js';
import { DOCUMENT_SORTS, type DocumentSort } from '../document-list.repository.js';
import type { DocumentSums } from '../document-statistics.repository.js';
import type { DocumentWithCollection } from '../documents.repository.js';
import { CHUNKING_STRATEGIES, type ChunkingStrategy } from '../../common/chunking.js';
import type { DocumentType } from '../ingestion/media-type.js';
import { ALL_DOCUMENT_TYPES } from '../ingestion/remote-media.js';
import { ChunkDto } from './chunk.dto.js';

const SORT_ORDERS = ['asc', 'desc'] as const;
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

export class DocumentListDto extends CountedPageInfoDto {
  documents: DocumentDto[];
}

export class ListDocumentsQueryDto extends CountedPageQueryDto {
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

  /** Sent after this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_after?: Date;

  /** Sent before this time. */
  @Omittable()
  @DateFromText()
  @IsDate()
  created_before?: Date;

  /** What the list is in the order of; of equals, the newest come first in a falling order. */
  @ApiPropertyOptional({ enum: DOCUMENT_SORTS, default: 'created_at' })
  @Omittable()
  @IsIn(DOCUMENT_SORTS)
  sort_by: DocumentSort = 'created_at';

  /** Falling or rising. */
  @ApiPropertyOptional({ enum: SORT_ORDERS, default: 'desc' })
  @Omittable()
  @IsIn(SORT_ORDERS)
  sort_order: (typeof SORT_ORDERS)[number] = 'desc';
}

/** What is named is changed. */
export class UpdateDocumentDto {
  @Omittable()
  @IsString()
  @Length(1, 500)
  title?: string;

  /** In place of all that was there before. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true, example: { project: 'tour' } })
  @Omittable()
  @AsSent()
  @IsObject()
  metadata?: Record<string, unknown>;
}

export class ChunkListDto extends CountedPageInfoDto {
  chunks: ChunkDto[];
}

export class DocumentStatsQueryDto {
  /** Only of this database. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  database_id?: string;
}

const counts = (keys: readonly string[]): ApiPropertyOptions => ({ type: 'object', properties: Object.fromEntries(keys.map((key) => [key, { type: 'integer' }])), additionalProperties: false });

export class DocumentStatsDto {
  total: number;
  /** How many are in each state; only states in which there are any. */
  @ApiProperty(counts(VISIBLE_STATES))
  by_state: Partial<Record<DocumentState, number>>;
  /** How many are of each type; only types of which there are any. */
  @ApiProperty(counts(ALL_DOCUMENT_TYPES))
  by_type: Partial<Record<DocumentType, number>>;
  /** How many are in each database, by its id. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } })
  by_database: Record<string, number>;
  /** Of all original files. */
  size_bytes: number;
  chunks: number;

  static from(sums: readonly DocumentSums[]): DocumentStatsDto {
    const stats: DocumentStatsDto = { total: 0, by_state: {}, by_type: {}, by_database: {}, size_bytes: 0, chunks: 0 };
    for (const { databaseId, state, type, documents, sizeBytes, chunks } of sums) {
      stats.total += documents;
      stats.by_state[state] = (stats.by_state[state] ?? 0) + documents;
      stats.by_type[type] = (stats.by_type[type] ?? 0) + documents;
      stats.by_database[databaseId] = (stats.by_database[databaseId] ?? 0) + documents;
      stats.size_bytes += sizeBytes;
      stats.chunks += chunks;
    }
    return stats;
  }
}
