import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, IsUUID, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { CHUNKING_STRATEGIES, type ChunkingStrategy } from '../../common/chunking.js';
import { ChunkingOptionsDto } from '../../common/chunking-options.dto.js';
import { PageInfoDto } from '../../common/pagination.js';
import { FlagFromText, Omittable } from '../../common/validation.js';
import { SERVER_TYPES, type ServerType } from '../servers/database-server.entity.js';
import { physicalName } from '../collections/collections.service.js';
import type { DatabaseOverview } from '../databases.repository.js';
import { REINDEX_STATUSES, type ReindexStatus } from '../reindexes/reindex.entity.js';
import { DISTANCES, type Distance } from '../vector-stores/vector-store.js';
import { IndexSettingsDto, PROVIDER_CHOICES, type ProviderChoice } from './database-settings.dto.js';

/** The latest reindex of a database, in short. */
export class ReindexSummaryDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  @ApiProperty({ enum: REINDEX_STATUSES })
  status: ReindexStatus;
  documents_total: number;
  documents_done: number;
}

export class DatabaseDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  name: string;
  description: string | null;
  @ApiProperty({ format: 'uuid' })
  server_id: string;
  @ApiProperty({ enum: SERVER_TYPES })
  server_type: ServerType;
  /** The collection in the vector database. */
  collection_name: string;
  /** What the server calls it now: each reindex makes a new one. */
  physical_collection: string;
  @ApiProperty({ enum: PROVIDER_CHOICES })
  embedding_provider: ProviderChoice;
  embedding_model: string;
  dimensions: number;
  embedding_url: string | null;
  has_embedding_api_key: boolean;
  @ApiProperty({ enum: DISTANCES })
  distance: Distance;
  /** null is the tenant's default. */
  chunk_size: number | null;
  chunk_overlap: number | null;
  @ApiProperty({ enum: CHUNKING_STRATEGIES, nullable: true })
  chunking_strategy: ChunkingStrategy | null;
  /** The latest one; null when there was none. */
  reindex: ReindexSummaryDto | null;
  document_count: number;
  vector_points: number;
  /** When a document last changed. */
  last_updated: Date;
  created_at: Date;

  static from(database: DatabaseOverview): DatabaseDto {
    return {
      id: database.id,
      name: database.name,
      description: database.description,
      server_id: database.serverId,
      server_type: database.serverType,
      collection_name: database.collectionName,
      physical_collection: physicalName(database.collectionName, database.generation),
      embedding_provider: database.embeddingProvider ?? 'default',
      embedding_model: database.embeddingModel,
      dimensions: database.dimensions,
      embedding_url: database.embeddingUrl,
      has_embedding_api_key: database.hasEmbeddingApiKey,
      distance: database.distance,
      chunk_size: database.chunkSize,
      chunk_overlap: database.chunkOverlap,
      chunking_strategy: database.chunkingStrategy,
      reindex: database.reindex,
      document_count: database.documentCount,
      vector_points: database.vectorPoints,
      last_updated: database.lastUpdated,
      created_at: database.createdAt,
    };
  }
}

export class DatabaseListDto extends PageInfoDto {
  databases: DatabaseDto[];
}

export class CreateDatabaseDto extends IntersectionType(IndexSettingsDto, ChunkingOptionsDto) {
  /**
   * Lower-case letters, digits, `_` and `-`; part of the collection's name.
   * @example contracts
   */
  @Matches(/^[a-z0-9][a-z0-9_-]{0,62}$/, { message: 'name must be 1–63 lower-case letters, digits, _ or -, and start with a letter or digit' })
  name: string;

  @IsOptional()
  @IsString()
  @MaxLength(1000)
  description?: string;

  /** Where its collection is; default: the built-in server. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  server_id?: string;
}

/** Only what is named changes. A model, its dimensions and the distance change by a reindex. */
export class UpdateDatabaseDto {
  @IsOptional()
  @IsString()
  @MaxLength(1000)
  description?: string | null;

  /** null: the tenant's default. */
  @ApiPropertyOptional({ type: 'integer', minimum: 100, maximum: 16_000, nullable: true })
  @IsOptional()
  @IsInt()
  @Min(100)
  @Max(16_000)
  chunk_size?: number | null;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 4000, nullable: true })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(4000)
  chunk_overlap?: number | null;

  @ApiPropertyOptional({ enum: CHUNKING_STRATEGIES, nullable: true })
  @IsOptional()
  @IsIn(CHUNKING_STRATEGIES)
  chunking_strategy?: ChunkingStrategy | null;

  /** Where the same model answers now. Its key is forgotten with the old address unless one is named, too. */
  @ApiPropertyOptional({ example: 'https://embeddings.example.com/v1' })
  @Omittable()
  @IsString()
  @Length(1, 2000)
  embedding_url?: string;

  /** null forgets it. */
  @ApiPropertyOptional({ writeOnly: true, nullable: true })
  @IsOptional()
  @IsString()
  @Length(1, 1000)
  embedding_api_key?: string | null;
}

export class RemoveDatabaseQueryDto {
  /** Whether its documents are to be deleted, too. */
  @ApiPropertyOptional({ default: false })
  @Omittable()
  @FlagFromText()
  @IsBoolean()
  cascade: boolean = false;
}

export class CollectionDto {
  name: string;
  @ApiProperty({ format: 'uuid' })
  database_id: string;
  database_name: string;
  @ApiProperty({ enum: SERVER_TYPES })
  server_type: ServerType;
  document_count: number;
  vector_points: number;
  size_bytes: number;

  static from(database: DatabaseOverview): CollectionDto {
    return {
      name: database.collectionName,
      database_id: database.id,
      database_name: database.name,
      server_type: database.serverType,
      document_count: database.documentCount,
      vector_points: database.vectorPoints,
      size_bytes: database.sizeBytes,
    };
  }
}

export class CollectionsDto {
  collections: string[];
  details: CollectionDto[];
}
