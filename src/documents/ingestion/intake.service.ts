import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '../../common/principal.js';
import { Config } from '../../config/config.js';
import { DatabaseUnavailable } from '../../persistence/postgres-errors.js';
import { FileRefused, InvalidChunking } from '../documents.errors.js';
import type { AcceptedDto, IngestFileDto, IngestTextDto } from '../dto/ingest.dto.js';
import { BlobStore, type StagedBlob } from '../storage/blob-store.js';
import { DocumentEntries } from './document-entries.js';
import { ExtractionFailed } from './extraction-failed.js';
import { displayName } from './file-name.js';
import { detectDocumentType, DOCUMENT_TYPES, SNIFF_BYTES, type Declaration, type DocumentType } from './media-type.js';

/** A file as it arrived, whatever it arrived in. */
export interface ReceivedFile {
  blob: StagedBlob;
  declared: Declaration;
}

/** Only a hint for people: what one worker was seen to read in a second, rounded down. */
const BYTES_PER_SECOND = 200_000;

async function typeOf({ blob, declared }: ReceivedFile): Promise<DocumentType> {
  try {
    return await detectDocumentType(blob.head, declared);
  } catch (error) {
    if (error instanceof ExtractionFailed) throw new FileRefused(error.code, error.message);
    throw error;
  }
}

/** Takes documents in: durable on disk first, then row, job and quota in one transaction, then 202. */
@Injectable()
export class IntakeService {
  constructor(
    private readonly entries: DocumentEntries,
    private readonly blobs: BlobStore,
    private readonly config: Config,
  ) {}

  /** Before anything is received: whether the tenant could keep a document of at least so many bytes. @throws QuotaExceeded */
  requireRoom(principal: Principal, sizeBytes: number): Promise<void> {
    return this.entries.requireRoom(principal, sizeBytes);
  }

  /** @throws PayloadTooLarge, StorageFull; nothing is left behind */
  receive(source: Readable): Promise<StagedBlob> {
    return this.blobs.receive(source, { maxBytes: this.config.maxUploadBytes, headBytes: SNIFF_BYTES });
  }

  discard(blob: StagedBlob): Promise<void> {
    return this.blobs.discard(blob);
  }

  async ingestText(principal: Principal, dto: IngestTextDto): Promise<AcceptedDto> {
    const extension = dto.content_type === 'text/markdown' ? 'md' : 'txt';
    const blob = await this.receive(Readable.from([Buffer.from(dto.content, 'utf8')]));
    return this.accept(principal, { blob, declared: { fileName: `${dto.title}.${extension}`, mediaType: dto.content_type } }, dto);
  }

  /**
   * The received file becomes a document, or is gone.
   * @throws FileRefused, InvalidChunking, DatabaseNotFound, DuplicateDocument, QuotaExceeded
   */
  async accept(principal: Principal, file: ReceivedFile, dto: IngestFileDto | IngestTextDto): Promise<AcceptedDto> {
    const documentId = uuidv7();
    const blobKey = `${principal.tenantId}/${documentId}`;
    try {
      if (dto.chunk_overlap >= dto.chunk_size) throw new InvalidChunking();
      const type = await typeOf(file);
      const name = displayName(file.declared.fileName, `document.${DOCUMENT_TYPES[type].extensions[0]}`);
      await this.blobs.keep(file.blob, blobKey);
      const jobId = await this.entries.enter(principal, dto, {
        id: documentId,
        title: dto.title ?? name,
        name,
        type,
        mediaType: DOCUMENT_TYPES[type].mediaTypes[0],
        chunkSize: dto.chunk_size,
        chunkOverlap: dto.chunk_overlap,
        sizeBytes: file.blob.sizeBytes,
        contentChecksum: file.blob.sha256,
        blobKey,
        metadata: dto.metadata ?? {},
      });
      return {
        task_id: jobId,
        document_id: documentId,
        status: 'pending',
        message: 'Accepted. Poll /api/v1/status/{task_id} until it is completed.',
        estimated_time: 1 + Math.ceil(file.blob.sizeBytes / BYTES_PER_SECOND),
      };
    } catch (error) {
      await this.blobs.discard(file.blob);
      // A connection lost while committing leaves it open whether the document exists: a file too many can be swept, a lost one not.
      if (!(error instanceof DatabaseUnavailable)) await this.blobs.remove(blobKey);
      throw error;
    }
  }
}
