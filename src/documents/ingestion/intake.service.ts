import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '../../common/principal.js';
import type { JobPriority } from '../../jobs/job.entity.js';
import { DatabaseUnavailable } from '../../persistence/postgres-errors.js';
import type { IngestionSettings } from '../../tenancy/tenant-configuration.service.js';
import { WebhookUrls } from '../../webhooks/webhook-urls.js';
import { BlobStoreUnavailable, FileRefused, FileTypeNotAllowed } from '../documents.errors.js';
import { AcceptedDto, type IngestFileDto, type IngestOptionsDto, type IngestTextDto } from '../dto/ingest.dto.js';
import { BlobStore, type StagedBlob } from '../storage/blob-store.js';
import { firstOriginalKey, laterOriginalKey } from '../versions/blob-keys.js';
import { DocumentEntries } from './document-entries.js';
import { ExtractionFailed } from './extraction-failed.js';
import { displayName } from './file-name.js';
import { detectDocumentType, DOCUMENT_TYPES, SNIFF_BYTES, type Declaration } from './media-type.js';
import { detectRemoteMedia, type DetectedType } from './remote-media.js';

/** A file as it arrived, whatever it arrived in. */
export interface ReceivedFile {
  blob: StagedBlob;
  declared: Declaration;
  /** Where it was fetched; of an upload there is none. */
  sourceUrl?: string;
}

/** @throws FileRefused, FileTypeNotAllowed */
export async function typeOf({ blob, declared }: ReceivedFile, { allowedFileTypes: allowed, enableRemoteProcessing }: IngestionSettings): Promise<DetectedType> {
  const detected = await detectType(blob, declared, enableRemoteProcessing);
  if (!allowed.includes('*') && !allowed.includes(detected.type)) throw new FileTypeNotAllowed(detected.type, allowed);
  return detected;
}

async function detectType({ head }: StagedBlob, declared: Declaration, takesRemoteMedia: boolean): Promise<DetectedType> {
  try {
    const type = await detectDocumentType(head, declared);
    return { type, mediaType: DOCUMENT_TYPES[type].mediaTypes[0], extension: DOCUMENT_TYPES[type].extensions[0] };
  } catch (error) {
    if (!(error instanceof ExtractionFailed)) throw error;
    const media = error.code === 'unsupported_type' ? await detectRemoteMedia(head) : null;
    if (!media) throw new FileRefused(error.code, error.message);
    if (!takesRemoteMedia) throw new FileRefused(error.code, `${error.message} Remote workers can read ${media.type}: switch on enable_remote_processing in your tenant's configuration to ingest it for them.`);
    return media;
  }
}

/** Takes documents in: durable on disk first, then row, job and quota in one transaction, then 202. */
@Injectable()
export class IntakeService {
  constructor(
    private readonly entries: DocumentEntries,
    private readonly blobs: BlobStore,
    private readonly webhookUrls: WebhookUrls,
  ) {}

  /** Null when there is none to tell. @throws UrlNotAllowed */
  async webhookOf({ webhook_url: url }: IngestOptionsDto): Promise<string | null> {
    return url === undefined ? null : this.webhookUrls.requireStorable(url);
  }

  /** Before anything is received: whether the tenant could keep a document of at least so many bytes. @throws QuotaExceeded */
  requireRoom(principal: Principal, sizeBytes: number): Promise<void> {
    return this.entries.requireRoom(principal, sizeBytes);
  }

  /** @throws PayloadTooLarge, StorageFull; nothing is left behind */
  receive(source: Readable, { maxFileBytes, maxFileSize }: IngestionSettings): Promise<StagedBlob> {
    return this.blobs.receive(source, { maxBytes: maxFileBytes, maxSize: maxFileSize, headBytes: SNIFF_BYTES });
  }

  discard(blob: StagedBlob): Promise<void> {
    return this.blobs.discard(blob);
  }

  async ingestText(principal: Principal, settings: IngestionSettings, dto: IngestTextDto, priority: JobPriority = 'normal'): Promise<AcceptedDto> {
    const extension = dto.content_type === 'text/markdown' ? 'md' : 'txt';
    const blob = await this.receive(Readable.from([Buffer.from(dto.content, 'utf8')]), settings);
    return this.accept(principal, settings, { blob, declared: { fileName: `${dto.title}.${extension}`, mediaType: dto.content_type } }, dto, priority);
  }

  /**
   * The received file becomes a document or the next version of one, or is gone.
   * @throws UrlNotAllowed for `webhook_url`, FileRefused, FileTypeNotAllowed, InvalidChunking, DatabaseNotFound, DocumentNotFound, DuplicateDocument, IllegalTransition, DocumentChanged, QuotaExceeded
   */
  accept(principal: Principal, settings: IngestionSettings, file: ReceivedFile, dto: IngestFileDto | IngestTextDto, priority: JobPriority = 'normal'): Promise<AcceptedDto> {
    return this.acceptFor(principal, settings, file, dto, { priority, answerOf: (accepted) => accepted });
  }

  /** The same, answered otherwise. */
  async acceptFor<Answer extends object>(
    principal: Principal,
    settings: IngestionSettings,
    file: ReceivedFile,
    dto: IngestFileDto | IngestTextDto,
    { priority = 'normal', answerOf }: { priority?: JobPriority; answerOf: (accepted: AcceptedDto) => Answer },
  ): Promise<Answer> {
    const { tenantId } = principal;
    const jobId = uuidv7();
    let kept: string | null = null;
    try {
      const webhookUrl = await this.webhookOf(dto);
      const { type, mediaType, extension } = await typeOf(file, settings);
      const name = displayName(file.declared.fileName, `document.${extension}`);
      const replaced = dto.replace_existing ? await this.entries.findReplaced(principal, dto, name) : null;
      const documentId = replaced ?? uuidv7();
      const blobKey = replaced === null ? firstOriginalKey(tenantId, documentId) : laterOriginalKey(tenantId, documentId, jobId);
      kept = blobKey;
      await this.blobs.keep(file.blob, blobKey);
      const upload = {
        documentId,
        jobId,
        isReplacement: replaced !== null,
        priority,
        webhookUrl,
        title: dto.title ?? name,
        name,
        type,
        mediaType,
        sizeBytes: file.blob.sizeBytes,
        contentChecksum: file.blob.sha256,
        blobKey,
        metadata: dto.metadata ?? null,
        sourceUrl: file.sourceUrl ?? null,
      };
      return await this.entries.enter(principal, settings, dto, upload, answerOf(AcceptedDto.from(jobId, documentId, file.blob.sizeBytes)));
    } catch (error) {
      await this.blobs.discard(file.blob);
      // A connection lost while committing leaves it open whether the document exists: a file too many can be swept, a lost one not. And a store
      // that did not answer would not now.
      if (kept !== null && !(error instanceof DatabaseUnavailable) && !(error instanceof BlobStoreUnavailable)) await this.blobs.remove(kept);
      throw error;
    }
  }
}
