import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { PageInfoDto } from '../../common/pagination.js';
import { SERVER_TYPES, type ServerType } from '../database-server.entity.js';
import type { DatabaseOverview } from '../databases.repository.js';

export class DatabaseDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  name: string;
  description: string | null;
  @ApiProperty({ format: 'uuid' })
  server_id: string;
  /** The collection in the vector database. */
  collection_name: string;
  embedding_model: string;
  dimensions: number;
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
      collection_name: database.collectionName,
      embedding_model: database.embeddingModel,
      dimensions: database.dimensions,
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

export class CreateDatabaseDto {
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
