import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsObject, IsOptional, IsString, Length, Matches, Max, MaxLength, Min } from 'class-validator';
import { PageInfoDto } from '../../common/pagination.js';
import { AsSent, MaxJsonBytes, Omittable } from '../../common/validation.js';
import { SERVER_HEALTH, SERVER_TYPES, type ServerHealth, type ServerType } from '../servers/database-server.entity.js';
import type { DatabaseServerOverview } from '../servers/database-servers.repository.js';
import { SERVER_FAILURES, type ServerFailure, type ServerFailureCode } from '../servers/server-probes.service.js';

export class ServerFailureDto {
  /** `not_allowed` is an address that cannot be found or may not be used here. */
  @ApiProperty({ enum: SERVER_FAILURES })
  code: ServerFailureCode;
  message: string;
}

export class DatabaseServerDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  name: string;
  @ApiProperty({ enum: SERVER_TYPES })
  type: ServerType;
  /** null for the built-in server, as is the port. */
  host: string | null;
  port: number | null;
  username: string | null;
  /** The database within the server, where its kind has such. */
  database: string | null;
  /** For your own use: each database has a collection of its own. */
  collection: string | null;
  @ApiProperty({ type: 'object', additionalProperties: true })
  config: object;
  is_active: boolean;
  has_password: boolean;
  has_api_key: boolean;
  /** When it last answered, and let us in. */
  last_connected: Date | null;
  /** Looked at every minute while it is active; `unknown` until then and after a change of how it is reached. */
  @ApiProperty({ enum: SERVER_HEALTH })
  health: ServerHealth;
  health_error: ServerFailureDto | null;
  health_checked_at: Date | null;
  /** How many databases are on it. */
  databases: number;
  created_at: Date;
  updated_at: Date;

  static from(server: DatabaseServerOverview): DatabaseServerDto {
    return {
      id: server.id,
      name: server.name,
      type: server.type,
      host: server.host,
      port: server.port,
      username: server.username,
      database: server.database,
      collection: server.collection,
      config: server.config,
      is_active: server.isActive,
      has_password: server.hasPassword,
      has_api_key: server.hasApiKey,
      last_connected: server.lastConnectedAt,
      health: server.health,
      health_error: server.healthError as ServerFailure | null,
      health_checked_at: server.healthCheckedAt,
      databases: server.databases,
      created_at: server.createdAt,
      updated_at: server.updatedAt,
    };
  }
}

export class DatabaseServerListDto extends PageInfoDto {
  database_servers: DatabaseServerDto[];
}

/** Some protocols end a text at a NUL, and half a character would become another one. */
const PLAIN_TEXT = /^[^\p{Cc}\p{Cs}]+$/u;
const plainText = { message: '$property must not be empty or contain control characters; null is none' };

/** What a caller may say of a server, saved or not. */
class DatabaseServerFieldsDto {
  /**
   * A host name or address, without or with its port; or `https://host`, which sets `config.tls`. It must exist and be public, or be named by the operator in
   * `OUTBOUND_ALLOW`; that the server runs is not needed.
   * @example qdrant.example.com
   */
  @IsOptional()
  @IsString()
  @Length(1, 300)
  host?: string | null;

  /** Default: 6333 for `QDRANT`, 8000 for `CHROMA`, 5432 for `PGVECTOR`. */
  @ApiPropertyOptional({ type: 'integer', nullable: true })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(65_535)
  port?: number | null;

  @IsOptional()
  @IsString()
  @MaxLength(255)
  @Matches(PLAIN_TEXT, plainText)
  username?: string | null;

  /** The database within the server: of `PGVECTOR` and `CHROMA`. */
  @IsOptional()
  @IsString()
  @MaxLength(255)
  @Matches(PLAIN_TEXT, plainText)
  database?: string | null;

  /** For your own use: each database has a collection of its own. */
  @IsOptional()
  @IsString()
  @MaxLength(255)
  @Matches(PLAIN_TEXT, plainText)
  collection?: string | null;

  /** `tls`; for `QDRANT` also `partitioned`, for `CHROMA` `tenant`, for `PGVECTOR` `schema`. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true, nullable: true })
  @IsOptional()
  @AsSent()
  @IsObject()
  @MaxJsonBytes(16_384)
  config?: Record<string, unknown> | null;

  /** Sealed, and never shown again. A change that omits it keeps it, null removes it. */
  @ApiPropertyOptional({ type: 'string', nullable: true, writeOnly: true })
  @IsOptional()
  @IsString()
  @MaxLength(4096)
  @Matches(PLAIN_TEXT, plainText)
  password?: string | null;

  /** Sealed, and never shown again. A change that omits it keeps it, null removes it. */
  @ApiPropertyOptional({ type: 'string', nullable: true, writeOnly: true })
  @IsOptional()
  @IsString()
  @MaxLength(4096)
  @Matches(/^[\x21-\x7e]+$/, { message: 'api_key must be visible ASCII characters; null is none' })
  api_key?: string | null;

  /** Switched off, it is not looked at, and nothing on it is read or written. */
  @ApiPropertyOptional({ default: true })
  @Omittable()
  @IsBoolean()
  is_active?: boolean;
}

export class CreateDatabaseServerDto extends DatabaseServerFieldsDto {
  /**
   * Unique in the tenant.
   * @example 'Qdrant in Frankfurt'
   */
  @IsString()
  @Length(1, 255)
  name: string;

  @ApiProperty({ enum: SERVER_TYPES, example: 'QDRANT' })
  @IsIn(SERVER_TYPES)
  type: ServerType;
}

export class UpdateDatabaseServerDto extends DatabaseServerFieldsDto {
  /** @example 'Qdrant in Paris' */
  @Omittable()
  @IsString()
  @Length(1, 255)
  name?: string;

  /** Fixed, as are `host`, `port`, `database` and what in `config` leads elsewhere, once a database is on it. */
  @ApiPropertyOptional({ enum: SERVER_TYPES })
  @Omittable()
  @IsIn(SERVER_TYPES)
  type?: ServerType;
}

export class TestDatabaseServerDto extends DatabaseServerFieldsDto {
  @IsOptional()
  @IsString()
  @Length(1, 255)
  name?: string | null;

  @ApiProperty({ enum: SERVER_TYPES, example: 'QDRANT' })
  @IsIn(SERVER_TYPES)
  type: ServerType;
}

export class ServerInfoDto {
  @ApiProperty({ enum: SERVER_TYPES })
  type: ServerType;
  /** What the server says, and of `PGVECTOR` the extension; null for the built-in one. */
  version: string | null;
}

export class ServerTestDto {
  success: boolean;
  /** For people. */
  message: string;
  response_time_ms: number;
  /** null when it was not reached. */
  @ApiProperty({ type: ServerInfoDto, nullable: true })
  server_info: ServerInfoDto | null;
  /** null when it was. */
  @ApiProperty({ type: ServerFailureDto, nullable: true })
  error_details: ServerFailureDto | null;
}
