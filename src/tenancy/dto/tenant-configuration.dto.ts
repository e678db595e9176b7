import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsBoolean, IsIn, IsInt, IsObject, IsOptional, IsString, IsUUID, Max, MaxLength, Min } from 'class-validator';
import { AsSent, MaxJsonBytes } from '../../common/validation.js';
import { ALLOWED_FILE_TYPES, wholeOf, type AllowedFileType } from '../tenant-configuration.js';
import type { ConfigurationRow } from '../tenant-configuration.repository.js';

const CUSTOM_SETTINGS_BYTES = 16 * 1024;

/** How a tenant wants its documents taken in; whole, with the defaults of what was never set. */
export class TenantConfigurationDto {
  /** Where documents go that name no database; null leaves it to each person's own settings. */
  @ApiProperty({ format: 'uuid' })
  default_database_id: string | null;
  /** The collection of that database. */
  default_collection_name: string | null;
  /** `*` is every type that can be read. */
  @ApiProperty({ enum: ALLOWED_FILE_TYPES, isArray: true })
  allowed_file_types: AllowedFileType[];
  /** In MiB; null is the server's own limit. */
  max_file_size_mb: number | null;
  /** Characters in a chunk, for documents that name no size. */
  default_chunk_size: number;
  /** Characters that neighbouring chunks share, for documents that name no overlap. */
  default_chunk_overlap: number;
  /** Whether audio, video and images are taken, for remote workers to read. Switched off, it refuses new ones; what was taken before still waits for a worker. */
  enable_remote_processing: boolean;
  /** Whether anything is sent to webhooks, and to the `webhook_url` of an ingest. Switched off, what happens is told to nobody; what was to be sent before waits until it is switched on again. */
  enable_webhooks: boolean;
  /** Anything of your own; the server does not look into it. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  custom_settings: object;

  /** @param databaseIds those the reader may know of; null is all */
  static from({ stored, defaultCollectionName }: ConfigurationRow, databaseIds: readonly string[] | null): TenantConfigurationDto {
    const whole = wholeOf(stored);
    const { defaultDatabaseId: id } = whole;
    const isKnown = id !== null && defaultCollectionName !== null && (databaseIds === null || databaseIds.includes(id));
    return {
      default_database_id: isKnown ? id : null,
      default_collection_name: isKnown ? defaultCollectionName : null,
      allowed_file_types: whole.allowedFileTypes,
      max_file_size_mb: whole.maxFileSizeMb,
      default_chunk_size: whole.defaultChunkSize,
      default_chunk_overlap: whole.defaultChunkOverlap,
      enable_remote_processing: whole.enableRemoteProcessing,
      enable_webhooks: whole.enableWebhooks,
      custom_settings: whole.customSettings,
    };
  }
}

/** Only the fields that are named change; null takes one back to its default. */
export class UpdateTenantConfigurationDto {
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  default_database_id?: string | null;

  /** Another way to name the default database: by its collection. */
  @IsOptional()
  @IsString()
  @MaxLength(255)
  default_collection_name?: string | null;

  /** `*` is every type that can be read. */
  @ApiPropertyOptional({ enum: ALLOWED_FILE_TYPES, isArray: true, nullable: true, maxItems: ALLOWED_FILE_TYPES.length, example: ['pdf', 'docx', 'md'] })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(ALLOWED_FILE_TYPES.length)
  @ArrayUnique()
  @IsIn(ALLOWED_FILE_TYPES, { each: true })
  allowed_file_types?: AllowedFileType[] | null;

  /** In MiB; at most the server's own limit. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(10_240)
  max_file_size_mb?: number | null;

  /** Characters in a chunk, for documents that name no size. */
  @IsOptional()
  @IsInt()
  @Min(100)
  @Max(16_000)
  default_chunk_size?: number | null;

  /** Characters that neighbouring chunks share; smaller than the size. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(4000)
  default_chunk_overlap?: number | null;

  /** Whether audio, video and images are taken, for remote workers to read. Switched off, it refuses new ones; what was taken before still waits for a worker. */
  @IsOptional()
  @IsBoolean()
  enable_remote_processing?: boolean | null;

  /** Whether anything is sent to webhooks, and to the `webhook_url` of an ingest. Switched off, what happens is told to nobody; what was to be sent before waits until it is switched on again. */
  @IsOptional()
  @IsBoolean()
  enable_webhooks?: boolean | null;

  /** Anything of your own, as a JSON object of at most 16 KiB. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true, nullable: true })
  @IsOptional()
  @AsSent()
  @IsObject()
  @MaxJsonBytes(CUSTOM_SETTINGS_BYTES)
  custom_settings?: object | null;
}
