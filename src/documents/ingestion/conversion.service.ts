import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import pLimit from 'p-limit';
import type { IngestionSettings } from '../../tenancy/tenant-configuration.service.js';
import { FileRefused } from '../documents.errors.js';
import type { ConversionDto } from '../dto/processing.dto.js';
import { atOnce, isFull } from './bounded.js';
import type { ExtractedDocument } from './extracted-document.js';
import { ExtractionFailed } from './extraction-failed.js';
import { Extraction } from './extraction.js';
import { displayName } from './file-name.js';
import { FileUpload } from './file-upload.js';
import { IntakeService, typeOf, type ReceivedFile } from './intake.service.js';
import { opened, openFile } from '../storage/open-blob.js';
import { DOCUMENT_TYPES, isReadableType, type ReadableType } from './media-type.js';
import { ConversionFailed, ConversionsBusy } from './sources.errors.js';
import { UrlDownload } from './url-download.js';

/** Each is a process that may take a gigabyte of memory, beside those of the jobs. */
const AT_ONCE = 4;

/** Files to Markdown at once, for whoever wants the text and no document. */
@Injectable()
export class Conversion {
  private readonly conversions = pLimit(AT_ONCE);

  constructor(
    private readonly upload: FileUpload,
    private readonly download: UrlDownload,
    private readonly intake: IntakeService,
    private readonly extraction: Extraction,
  ) {}

  /** @throws what reading a form throws, ConversionsBusy, FileRefused, FileTypeNotAllowed, ConversionFailed; the reason of `signal` */
  async ofUpload(request: FastifyRequest, settings: IngestionSettings, signal: AbortSignal): Promise<ConversionDto> {
    this.requireTurn();
    const began = performance.now();
    return this.convert(await this.upload.readFileAlone(request, settings), settings, began, signal);
  }

  /** @throws what a download throws, ConversionsBusy, FileRefused, FileTypeNotAllowed, ConversionFailed; the reason of `signal` */
  async ofUrl(url: string, settings: IngestionSettings, signal: AbortSignal): Promise<ConversionDto> {
    this.requireTurn();
    const began = performance.now();
    return this.convert(await this.download.fetch(url, settings, signal), settings, began, signal);
  }

  /** Whoever would be refused afterwards need not send anything first; others may be faster meanwhile. */
  private requireTurn(): void {
    if (isFull(this.conversions)) throw new ConversionsBusy();
  }

  private async convert(file: ReceivedFile, settings: IngestionSettings, began: number, signal: AbortSignal): Promise<ConversionDto> {
    try {
      const { type, mediaType } = await typeOf(file, settings);
      if (!isReadableType(type)) throw new FileRefused('unsupported_type', `The content is ${mediaType}, which is read by remote workers only: ingest it instead.`);
      const extracted = await atOnce(this.conversions, () => new ConversionsBusy(), () => this.extract(file, type, signal));
      return { success: true, content: extracted.text, metadata: describe(file, type, extracted), processing_time: Math.round(performance.now() - began) / 1000 };
    } finally {
      await this.intake.discard(file.blob);
    }
  }

  private async extract({ blob, declared, sourceUrl }: ReceivedFile, type: ReadableType, signal: AbortSignal): Promise<ExtractedDocument> {
    try {
      return await this.extraction.extract(() => opened(openFile(blob.path), blob.path), { ...declared, type, mainContentOnly: sourceUrl !== undefined }, signal);
    } catch (error) {
      throw error instanceof ExtractionFailed ? new ConversionFailed(error) : error;
    }
  }
}

function describe({ blob, declared, sourceUrl }: ReceivedFile, type: ReadableType, { title, pages, metadata }: ExtractedDocument): ConversionDto['metadata'] {
  const name = displayName(declared.fileName, `document.${DOCUMENT_TYPES[type].extensions[0]}`);
  return { title, type, name, size_bytes: blob.sizeBytes, pages: pages.length === 0 ? null : pages.length, source_url: sourceUrl ?? null, properties: metadata };
}
