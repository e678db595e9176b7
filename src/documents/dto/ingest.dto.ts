import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsObject, IsString, IsUUID, Length, Matches, MaxLength, ValidateBy } from 'class-validator';
import { FlagFromText, IsAbsoluteUrl, isNestedDeeperThan, MAX_DEPTH, Omittable } from '../../common/validation.js';
import { ChunkingOptionsDto } from '../../common/chunking-options.dto.js';

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

/** The document to replace cannot be named without the wish to replace. */
function OnlyWhenReplacing(): PropertyDecorator {
  return ValidateBy({
    name: 'onlyWhenReplacing',
    validator: {
      validate: (_, args) => (args?.object as IngestOneDto | undefined)?.replace_existing === true,
      defaultMessage: () => '$property is taken only with replace_existing',
    },
  });
}

/** Where a document goes and how it is cut. */
export class IngestOptionsDto extends ChunkingOptionsDto {
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

  /**
   * Makes this the next version of the document named by `document_id`, or else of the one with the same name in the database; without one, a
   * new document. The old version is served until the new one is whole. Metadata that is not sent stay as they are.
   */
  @ApiPropertyOptional({ default: false, example: false })
  @FlagFromText()
  @IsBoolean()
  replace_existing: boolean = false;

  /** Gets a POST when the document is ingested or has failed, signed with the tenant's secret of `/api/v1/webhooks/signing-secret`. It must be public, or be named by the operator in `OUTBOUND_ALLOW`. */
  @ApiPropertyOptional({ format: 'uri', maxLength: 2048 })
  @Omittable()
  @IsAbsoluteUrl()
  webhook_url?: string;
}

/** The same of one document, which can be named. */
class IngestOneDto extends IngestOptionsDto {
  /** The document to replace; only with `replace_existing`. */
  @ApiPropertyOptional({ format: 'uuid' })
  @Omittable()
  @IsUUID()
  @OnlyWhenReplacing()
  document_id?: string;
}

export class IngestFileDto extends IngestOneDto {
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
  @ApiProperty({ type: 'string', format: 'binary', description: 'PDF, DOCX, PPTX, XLSX, HTML, Markdown, plain text, CSV, TSV, JSON, JSON Lines, EPUB, ODT or RTF; with `enable_remote_processing` also audio, video and images' })
  file: unknown;
}

export const TEXT_TYPES = ['text/markdown', 'text/plain'] as const;

export class IngestTextDto extends IngestOneDto {
  /** @example 'Minutes of the board' */
  @IsString()
  @Length(1, 500)
  title: string;

  /** @example "# Decisions\n\nThe board approved the budget of 2027." */
  @IsString()
  @MaxLength(4_000_000)
  content: string;

  @ApiPropertyOptional({ enum: TEXT_TYPES, default: 'text/markdown' })
  @Omittable()
  @IsIn(TEXT_TYPES)
  content_type: (typeof TEXT_TYPES)[number] = 'text/markdown';
}

export class IngestUrlDto extends IngestFileDto {
  /**
   * What a GET of it answers becomes the document: a page, or a file of a type that can be sent as one. Of a page only the main content is read.
   * @example 'https://www.rfc-editor.org/rfc/rfc9457.html'
   */
  @IsAbsoluteUrl()
  url: string;
}
/** Only a hint for people: what one worker was seen to read in a second, rounded down. */
const BYTES_PER_SECOND = 200_000;

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

  static from(jobId: string, documentId: string, sizeBytes: number): AcceptedDto {
    return {
      task_id: jobId,
      document_id: documentId,
      status: 'pending',
      message: 'Accepted. Poll /api/v1/status/{task_id} until it is completed.',
      estimated_time: 1 + Math.ceil(sizeBytes / BYTES_PER_SECOND),
    };
  }
}
