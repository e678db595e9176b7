import { ApiProperty } from '@nestjs/swagger';
import { REINDEX_STATUSES, type ReindexEntity, type ReindexStatus } from '../reindexes/reindex.entity.js';
import { DISTANCES, type Distance } from '../vector-stores/vector-store.js';
import { IndexSettingsDto, PROVIDER_CHOICES, type ProviderChoice } from './database-settings.dto.js';

/** What is not named stays as it is; nothing named makes the vectors anew with the model there is. */
export class CreateReindexDto extends IndexSettingsDto {}

export class ReindexErrorDto {
  code: string;
  message: string;
}

export class ReindexDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  @ApiProperty({ format: 'uuid' })
  database_id: string;
  @ApiProperty({ enum: REINDEX_STATUSES })
  status: ReindexStatus;
  @ApiProperty({ enum: PROVIDER_CHOICES })
  embedding_provider: ProviderChoice;
  embedding_model: string;
  dimensions: number;
  @ApiProperty({ enum: DISTANCES })
  distance: Distance;
  /** Documents in the database when it began. */
  documents_total: number;
  /** Documents whose vectors are in the new collection. */
  documents_done: number;
  /** Why it failed, or what it is trying again after. */
  error: ReindexErrorDto | null;
  created_at: Date;
  ended_at: Date | null;

  static from(reindex: ReindexEntity): ReindexDto {
    return {
      id: reindex.id,
      database_id: reindex.databaseId,
      status: reindex.status,
      embedding_provider: reindex.embeddingProvider ?? 'default',
      embedding_model: reindex.embeddingModel,
      dimensions: reindex.dimensions,
      distance: reindex.distance,
      documents_total: reindex.documentsTotal,
      documents_done: reindex.documentsDone,
      error: reindex.error,
      created_at: reindex.createdAt,
      ended_at: reindex.endedAt,
    };
  }
}
