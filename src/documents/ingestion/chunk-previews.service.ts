import { Injectable } from '@nestjs/common';
import pLimit from 'p-limit';
import type { Principal } from '../../common/principal.js';
import { Embedders } from '../../embeddings/embedders.js';
import { TenantConfigurationService } from '../../tenancy/tenant-configuration.service.js';
import { FileRefused, ProcessingBusy } from '../documents.errors.js';
import { ChunkPreviewDto, type PreviewChunksDto } from '../dto/processing.dto.js';
import type { Chunking } from './chunking/chunking.js';
import { cutInTurns } from './chunking/cut-in-turns.js';
import { chunkingOf } from './chunking/requested-chunking.js';
import type { ExtractedDocument } from './extracted-document.js';
import { ExtractionFailed } from './extraction-failed.js';
import { detectDocumentType, SNIFF_BYTES } from './media-type.js';

/** Each takes its turns of the event loop, so more at once would only make all other requests wait longer. */
const AT_ONCE = 2;
/** A megabyte each. */
const MAX_WAITING = 50;

/**
 * With the extractors of ingestion, but in this process: both are one linear pass, which takes 10 ms for a million characters of prose and
 * less than 200 for a hostile one (a heading every four characters), about as long as the extraction's process takes to start.
 */
async function read({ content, content_type: mediaType }: PreviewChunksDto): Promise<ExtractedDocument> {
  const bytes = Buffer.from(content, 'utf8');
  try {
    await detectDocumentType(bytes.subarray(0, SNIFF_BYTES), { mediaType });
    const { extract } = await (mediaType === 'text/markdown' ? import('./extractors/markdown.extractor.js') : import('./extractors/plain-text.extractor.js'));
    return extract(bytes);
  } catch (error) {
    if (error instanceof ExtractionFailed) throw new FileRefused(error.code, error.message);
    throw error;
  }
}

/** Shows what a text would be cut into, without storing anything. */
@Injectable()
export class ChunkPreviews {
  private readonly limit = pLimit(AT_ONCE);

  constructor(
    private readonly configuration: TenantConfigurationService,
    private readonly embedders: Embedders,
  ) {}

  /** @throws InvalidChunking, FileRefused for what ingestion would refuse or fail, ProcessingBusy */
  async preview(principal: Principal, dto: PreviewChunksDto): Promise<ChunkPreviewDto> {
    const chunking = chunkingOf(dto, await this.configuration.forIngestion(principal));
    if (this.limit.pendingCount >= MAX_WAITING) throw new ProcessingBusy();
    return this.limit(() => this.cut(dto, chunking));
  }

  private async cut(dto: PreviewChunksDto, chunking: Chunking): Promise<ChunkPreviewDto> {
    const chunks = await cutInTurns(await read(dto), { ...chunking, maxTokens: this.embedders.standard.maxInputTokens });
    return ChunkPreviewDto.from(chunks, chunking);
  }
}
