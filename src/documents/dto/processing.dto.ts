import { ApiProperty } from '@nestjs/swagger';
import { DOCUMENT_TYPES, type DocumentType } from '../ingestion/media-type.js';
import { IsAbsoluteUrl } from './ingest.dto.js';

const TYPES = Object.keys(DOCUMENT_TYPES) as DocumentType[];

/** The multipart form, as the documentation shows it. */
export class ProcessFileFormDto {
  @ApiProperty({ type: 'string', format: 'binary', description: 'Any file that can be ingested' })
  file: unknown;
}

export class ProcessUrlDto {
  /** @example 'https://www.rfc-editor.org/rfc/rfc9457.html' */
  @IsAbsoluteUrl()
  url: string;
}

export class ConversionMetadataDto {
  title: string | null;
  @ApiProperty({ enum: TYPES })
  type: DocumentType;
  /** The file's name as it was sent, or as a browser would save it. */
  name: string;
  size_bytes: number;
  /** Null when the format knows no pages. */
  pages: number | null;
  /** Where redirects led, when a URL was asked for. */
  source_url: string | null;
  /** What else the file says of itself, such as `author` or `language`. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  properties: object;
}

export class ConversionDto {
  @ApiProperty({ enum: [true] })
  success: true;
  /** Markdown, or plain text where the file has no structure. */
  content: string;
  metadata: ConversionMetadataDto;
  /** Seconds. */
  processing_time: number;
}
