import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsObject, IsString, IsUUID, Length, Matches, MaxLength } from 'class-validator';
import { isNestedDeeperThan, MAX_DEPTH, Omittable } from '../../common/validation.js';
import { ChunkingOptionsDto } from './chunking-options.dto.js';

/** A multipart field is text: the JSON in it is read here, and what is not JSON, or too deep, is refused by the next check. */
function parseJson({ obj, key }: { obj: Record<string, unknown>; key: string }): unknown {
  const value = obj[key];
  if (typeof value !== 'string') return value;
  try {
    const parsed: unknown = JSON.parse(value);
    return isNestedDeeperThan(MAX_DEPTH, parsed) ? value : parsed;
  } catch (error) {
    if (error instanceof SyntaxError) return value;
    throw error;
  }
}

/** Where a document goes and how it is cut. */
class IngestOptionsDto extends ChunkingOptionsDto {
  /** The database by id; otherwise by `database`, otherwise the tenant's default one, otherwise your own. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  database_id?: string;

  /**
   * The database by name.
   * @example default
   */
  @Omittable()
  @Matches(/^[a-z0-9][a-z0-9_-]{0,62}$/, { message: 'database must be the name of a database' })
  database?: string;

  /** Anything of your own, as a JSON object; it comes back with the document and with search results. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true, example: { project: 'tour' } })
  @Omittable()
  @Transform(parseJson)
  @IsObject()
  metadata?: Record<string, unknown>;
}

export class IngestFileDto extends IngestOptionsDto {
  /**
   * Default: the file's own title, or its name.
   * @example 'A first document'
   */
  @Omittable()
  @IsString()
  @Length(1, 500)
  title?: string;
}

/** The multipart form, as the documentation shows it. */
export class IngestFileFormDto extends IngestFileDto {
  @ApiProperty({ type: 'string', format: 'binary', description: 'PDF, DOCX, HTML, Markdown or plain text' })
  file: unknown;
}

export const TEXT_TYPES = ['text/markdown', 'text/plain'] as const;

export class IngestTextDto extends IngestOptionsDto {
  /** @example 'Minutes of the board' */
  @IsString()
  @Length(1, 500)
  title: string;

  /** @example '# Decisions\n\nThe board approved the budget of 2027.' */
  @IsString()
  @MaxLength(4_000_000)
  content: string;

  @ApiPropertyOptional({ enum: TEXT_TYPES, default: 'text/markdown' })
  @Omittable()
  @IsIn(TEXT_TYPES)
  content_type: (typeof TEXT_TYPES)[number] = 'text/markdown';
}

export class AcceptedDto {
  /** The job's id: poll `/api/v1/status/{task_id}`. */
  @ApiProperty({ format: 'uuid' })
  task_id: string;
  @ApiProperty({ format: 'uuid' })
  document_id: string;
  @ApiProperty({ enum: ['pending'] })
  status: 'pending';
  message: string;
  /** Seconds, guessed from the size. */
  estimated_time: number;
}
