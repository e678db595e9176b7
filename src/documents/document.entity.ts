import { Column, Entity, PrimaryColumn } from 'typeorm';
import { bigintColumn } from '../persistence/columns.js';
import type { ChunkingStrategy } from '../common/chunking.js';
import type { DocumentType } from './ingestion/media-type.js';

export const DOCUMENT_STATES = ['PENDING', 'INGESTING', 'INGESTED', 'FAILED', 'DEPRECATED', 'DELETED'] as const;
export type DocumentState = (typeof DOCUMENT_STATES)[number];

export interface ProcessingError {
  code: string;
  message: string;
  stage: string;
}

/** What a document becomes when the work on it is done. */
export interface DocumentRevision {
  version: number;
  name: string;
  /** Null leaves the document's as it is by then. */
  title: string | null;
  type: DocumentType;
  mediaType: string;
  sizeBytes: number;
  /** SHA-256, hexadecimal. */
  contentChecksum: string;
  /** The document's own when the same file is read anew. */
  blobKey: string;
  chunkSize: number;
  chunkOverlap: number;
  chunkingStrategy: ChunkingStrategy;
  /** Null leaves the document's as it is by then. */
  metadata: object | null;
  sourceUrl: string | null;
}

/** The row describes what readers are served; of a document that was never whole, what is being made. */
@Entity('documents')
export class DocumentEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'uuid' })
  tenantId: string;

  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ name: 'user_id', type: 'uuid' })
  userId: string;

  @Column({ name: 'database_id', type: 'uuid' })
  databaseId: string;

  @Column({ type: 'text' })
  title: string;

  /** The client's file name: shown, never used as a path. */
  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text' })
  type: DocumentType;

  @Column({ name: 'media_type', type: 'text' })
  mediaType: string;

  @Column({ type: 'text' })
  state: DocumentState;

  @Column({ type: 'integer' })
  version: number;

  /** The highest ever begun: each piece of work takes the one after it, so that nothing late can touch what is newer. */
  @Column({ name: 'last_version', type: 'integer' })
  lastVersion: number;

  /** While a document that is served is made anew. */
  @Column({ type: 'jsonb', nullable: true })
  next: DocumentRevision | null;

  /** Charged for the file of `next`; 0 when that is the document's own. */
  @Column({ name: 'next_bytes', type: 'bigint', transformer: bigintColumn })
  nextBytes: number;

  @Column({ name: 'chunk_size', type: 'integer' })
  chunkSize: number;

  @Column({ name: 'chunk_overlap', type: 'integer' })
  chunkOverlap: number;

  @Column({ name: 'chunking_strategy', type: 'text' })
  chunkingStrategy: ChunkingStrategy;

  @Column({ name: 'chunk_count', type: 'integer' })
  chunkCount: number;

  /** Whether documents, bytes and points are taken from the quota at this moment. */
  @Column({ name: 'is_charged', type: 'boolean' })
  isCharged: boolean;

  @Column({ name: 'reserved_points', type: 'integer' })
  reservedPoints: number;

  @Column({ type: 'real', nullable: true })
  quality: number | null;

  @Column({ name: 'size_bytes', type: 'bigint', transformer: bigintColumn })
  sizeBytes: number;

  /** SHA-256, hexadecimal. */
  @Column({ name: 'content_checksum', type: 'text' })
  contentChecksum: string;

  @Column({ name: 'blob_key', type: 'text' })
  blobKey: string;

  @Column({ name: 'source_url', type: 'text', nullable: true })
  sourceUrl: string | null;

  @Column({ type: 'jsonb' })
  metadata: object;

  @Column({ name: 'processing_error', type: 'jsonb', nullable: true })
  processingError: ProcessingError | null;

  @Column({ name: 'job_id', type: 'uuid' })
  jobId: string;

  @Column({ name: 'processed_at', type: 'timestamptz', nullable: true })
  processedAt: Date | null;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt: Date;
}

/** What a document has taken of its tenant's quotas. */
export type DocumentCharge = Pick<DocumentEntity, 'isCharged' | 'sizeBytes' | 'nextBytes' | 'chunkCount' | 'reservedPoints'>;
