import { Readable } from 'node:stream';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pLimit from 'p-limit';
import { AppError } from '../../common/errors.js';
import { Outbound } from '../../outbound/outbound.js';
import type { IngestionSettings } from '../../tenancy/tenant-configuration.service.js';
import { FileRefused } from '../documents.errors.js';
import { BlobStore } from '../storage/blob-store.js';
import { atOnce } from './bounded.js';
import { ExtractionFailed } from './extraction-failed.js';
import type { ReceivedFile } from './intake.service.js';
import { refuseForeignDeclaration, SNIFF_BYTES, type Declaration } from './media-type.js';
import { DownloadsBusy, UrlAnswered, UrlBrokeOff } from './sources.errors.js';
import { urlFileName } from './url-file-name.js';

const MAX_REDIRECTS = 3;
/** Each holds a connection, a file and a request that waits for it. */
const AT_ONCE = 16;
const HEADERS = { 'user-agent': 'MoRAG-Server (document ingestion)', accept: '*/*' };

type Limits = Pick<IngestionSettings, 'maxFileBytes' | 'maxFileSize' | 'enableRemoteProcessing'>;

/** `sourceUrl` is where the redirects led, without fragment; credentials it never has. */
export type FetchedFile = ReceivedFile & { sourceUrl: string };

/** Fetches what a URL leads to, as a file that arrived: streamed to disk, neither kept nor entered anywhere. */
@Injectable()
export class UrlDownload implements OnApplicationShutdown {
  private readonly downloads = pLimit(AT_ONCE);

  constructor(
    private readonly outbound: Outbound,
    private readonly blobs: BlobStore,
  ) {}

  /**
   * Whoever gets the file keeps or discards it.
   * @throws DownloadsBusy, UrlNotAllowed, UrlAnswered, UrlTooLarge, UrlTimedOut, UrlBrokeOff, FileRefused, StorageFull; the reason of `signal`
   */
  fetch(url: string, limits: Limits, signal: AbortSignal): Promise<FetchedFile> {
    return atOnce(this.downloads, () => new DownloadsBusy(), () => this.download(url, limits, signal));
  }

  /** The same for one of many URLs, which can wait for its turn until `signal` ends that. */
  fetchInTurn(url: string, limits: Limits, signal: AbortSignal): Promise<FetchedFile> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', giveUp, { once: true });
      const begin = (): Promise<FetchedFile> => {
        // From here on the download itself ends with the signal, and clears what it has stored.
        signal.removeEventListener('abort', giveUp);
        return this.download(url, limits, signal);
      };
      this.downloads(begin).then(resolve, reject);
    });
  }

  onApplicationShutdown(): Promise<void> {
    return this.outbound.close();
  }

  private async download(url: string, limits: Limits, signal: AbortSignal): Promise<FetchedFile> {
    signal.throwIfAborted();
    const response = await this.outbound.fetch(url, { maxRedirects: MAX_REDIRECTS, maxBytes: limits.maxFileBytes, headers: HEADERS, signal });
    const source = new URL(response.url);
    source.hash = '';
    const declared = { fileName: urlFileName(source, response.headers), mediaType: response.headers.get('content-type') ?? undefined };
    const body = response.body ?? new Response('').body!;
    try {
      if (!response.ok) throw new UrlAnswered(response.status);
      if (!limits.enableRemoteProcessing) await refuseForeign(declared);
    } catch (error) {
      await body.cancel();
      throw error;
    }
    const { maxFileBytes: maxBytes, maxFileSize: maxSize } = limits;
    const blob = await this.blobs.receive(Readable.from(piecesOf(body, signal)), { maxBytes, maxSize, headBytes: SNIFF_BYTES });
    return { blob, declared, sourceUrl: source.href };
  }
}

/** Before anything is fetched that its own site calls a picture or a film. */
async function refuseForeign(declared: Declaration): Promise<void> {
  try {
    await refuseForeignDeclaration(declared);
  } catch (error) {
    throw error instanceof ExtractionFailed ? new FileRefused(error.code, error.message) : error;
  }
}

async function* piecesOf(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const reader = body.getReader();
  let isBroken = false;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        isBroken = true;
        signal.throwIfAborted();
        throw error instanceof AppError ? error : new UrlBrokeOff(error);
      });
      if (done) return;
      yield Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  } finally {
    // What broke answers every further call with its own error.
    if (!isBroken) await reader.cancel();
  }
}
