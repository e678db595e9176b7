import { createReadStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { PassThrough, type Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { Logger } from '@nestjs/common';
import pLimit from 'p-limit';
import { errorCode, errorMessage } from '../../common/error-code.js';
import type { BucketPlace } from '../../config/blob-address.js';
import { BlobStoreUnavailable } from '../documents.errors.js';
import { BlobStore, requireDirectoryName, type BlobFacts, type ReceiveLimits, type StagedBlob } from './blob-store.js';
import type { OpenBlob } from './open-blob.js';
import { Staging } from './staging.js';

type Sdk = typeof import('@aws-sdk/client-s3');

const CONNECT_MS = 2000;
/** Until the answer begins, for what sends no file. */
const ANSWER_MS = 5000;
/** And so much longer for each MiB of a file. */
const MS_PER_MIB = 1000;
/** Nothing moves: as long as the server waits for a client that reads nothing. */
const STALLED_MS = 120_000;
const PUT_ATTEMPTS = 3;
const PUT_PAUSE_MS = 200;
const REMOVALS_AT_ONCE = 16;
const MOST_KEYS = 1000;

const quiet = (): void => undefined;
/** The SDK would write to the console what it also throws. */
const SILENT = { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet };

const statusOf = (error: unknown): number | undefined => (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;

/** A bucket that is not there is no missing file. */
const isMissing = (error: unknown): boolean => statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket';

/** Not one that was refused, nor one that was not answered in all its time. */
function isWorthAnotherPut(error: unknown): boolean {
  const status = statusOf(error);
  return status === undefined ? (error as Error).name !== 'TimeoutError' : status >= 500;
}

/**
 * Objects in a bucket of Amazon S3 or of a server that speaks its protocol. A file arrives on this machine's disk and is then put by *one* request, so that the
 * bucket never holds half a file, whoever is killed when: there is no upload in parts that somebody would have to end, and what is refused was never in the bucket.
 */
export class S3BlobStore extends BlobStore {
  private readonly logger = new Logger(S3BlobStore.name);
  private isAway = false;

  private constructor(
    private readonly sdk: Sdk,
    private readonly client: S3Client,
    private readonly place: BucketPlace,
    private readonly staging: Staging,
  ) {
    super();
  }

  /** Does not ask the server, so that processes start while it is away. */
  static async open(place: BucketPlace, stagingDirectory: string): Promise<S3BlobStore> {
    const [sdk, staging] = await Promise.all([import('@aws-sdk/client-s3'), Staging.open(stagingDirectory)]);
    const region = place.region ?? (place.endpoint === undefined ? undefined : 'us-east-1');
    const client = new sdk.S3Client({
      ...(region !== undefined && { region }),
      ...(place.endpoint !== undefined && { endpoint: place.endpoint }),
      forcePathStyle: place.isPathStyle,
      logger: SILENT,
      // Servers other than Amazon's know no checksums in trailers.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: ANSWER_MS, throwOnRequestTimeout: true, socketTimeout: STALLED_MS },
    });
    return new S3BlobStore(sdk, client, place, staging);
  }

  receive(source: Readable, limits: ReceiveLimits): Promise<StagedBlob> {
    return this.staging.receive(source, limits);
  }

  async write(key: string, text: string): Promise<void> {
    await this.asking(() => this.client.send(new this.sdk.PutObjectCommand({ ...this.at(key), Body: Buffer.from(text, 'utf8') })));
  }

  async keep(staged: StagedBlob, key: string): Promise<void> {
    await this.asking(() => this.put(staged, key));
    await this.staging.discard(staged);
  }

  discard(staged: Pick<StagedBlob, 'path'>): Promise<void> {
    return this.staging.discard(staged);
  }

  async remove(key: string): Promise<void> {
    await this.looking(() => this.client.send(new this.sdk.DeleteObjectCommand(this.at(key))));
  }

  /** One by one: not every server knows how to remove many at once. */
  async removeDirectory(directory: string): Promise<void> {
    requireDirectoryName(directory);
    const removals = pLimit(REMOVALS_AT_ONCE);
    for await (const names of this.namesIn(directory, MOST_KEYS)) await Promise.all(names.map((name) => removals(() => this.remove(`${directory}/${name}`))));
  }

  openForReading(key: string): Promise<OpenBlob | null> {
    return this.looking(async () => {
      const { Body: body, ContentLength: sizeBytes } = await this.client.send(new this.sdk.GetObjectCommand(this.at(key)));
      return { sizeBytes: sizeBytes!, stream: this.readable(body as Readable) };
    });
  }

  async *directories(): AsyncGenerator<string> {
    const { bucket: Bucket, prefix } = this.place;
    for (let token: string | undefined; ; ) {
      const page = await this.asking(() => this.client.send(new this.sdk.ListObjectsV2Command({ Bucket, Prefix: prefix, Delimiter: '/', ContinuationToken: token })));
      for (const { Prefix } of page.CommonPrefixes ?? []) yield Prefix!.slice(prefix.length, -1);
      token = page.NextContinuationToken;
      if (token === undefined) return;
    }
  }

  async *namesIn(directory: string, pageSize: number): AsyncGenerator<string[]> {
    const { Bucket, Key: Prefix } = this.at(`${directory}/`);
    // After the last key and not by the server's token, which need not outlive the removal of what it stands on.
    for (let StartAfter: string | undefined; ; ) {
      const page = await this.asking(() => this.client.send(new this.sdk.ListObjectsV2Command({ Bucket, Prefix, MaxKeys: Math.min(pageSize, MOST_KEYS), StartAfter })));
      const keys = (page.Contents ?? []).map(({ Key }) => Key!);
      if (keys.length > 0) yield keys.map((key) => key.slice(Prefix.length));
      if (!page.IsTruncated) return;
      StartAfter = keys.at(-1);
    }
  }

  find(key: string): Promise<BlobFacts | null> {
    return this.looking(async () => {
      const { ContentLength: sizeBytes, LastModified: modified } = await this.client.send(new this.sdk.HeadObjectCommand(this.at(key)));
      return { sizeBytes: sizeBytes!, modifiedMs: modified!.getTime() };
    });
  }

  capacity(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.staging.capacity();
  }

  async ping(): Promise<void> {
    await this.client.send(new this.sdk.HeadBucketCommand({ Bucket: this.place.bucket }), { requestTimeout: CONNECT_MS });
  }

  close(): void {
    this.client.destroy();
  }

  private at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.place.bucket, Key: this.place.prefix + key };
  }

  /** The SDK repeats no request whose body is a stream. */
  private async put(staged: StagedBlob, key: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const body = createReadStream(staged.path, { highWaterMark: 256 * 1024 });
      try {
        // A server that knows this checksum refuses what is not what arrived.
        const input = { ...this.at(key), Body: body, ContentLength: staged.sizeBytes, ChecksumSHA256: Buffer.from(staged.sha256, 'hex').toString('base64') };
        await this.client.send(new this.sdk.PutObjectCommand(input), { requestTimeout: ANSWER_MS + (staged.sizeBytes / 2 ** 20) * MS_PER_MIB });
        return;
      } catch (error) {
        if (attempt === PUT_ATTEMPTS || !isWorthAnotherPut(error)) throw error;
        await delay(PUT_PAUSE_MS * attempt);
      } finally {
        body.destroy();
      }
    }
  }

  /** What breaks while it is read is the store's fault, too, and says so. */
  private readable(body: Readable): Readable {
    const stream = new PassThrough();
    body.once('error', (error) => stream.destroy(this.unavailable(error)));
    stream.once('close', () => body.destroy());
    return body.pipe(stream);
  }

  /** Whatever goes wrong, credentials and names of buckets, too, is for the operator to mend, and worth another attempt then. */
  private async asking<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      this.isAway = false;
      return result;
    } catch (error) {
      throw this.unavailable(error);
    }
  }

  /** Null for a file that is not there. */
  private looking<T>(work: () => Promise<T>): Promise<T | null> {
    return this.asking(async () => {
      try {
        return await work();
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    });
  }

  private unavailable(error: unknown): BlobStoreUnavailable {
    // Once, and not the whole error, which may quote the request.
    if (!this.isAway) this.logger.warn({ bucket: this.place.bucket, reason: errorMessage(error) || errorCode(error) }, 'the blob store does not do what it is asked');
    this.isAway = true;
    return new BlobStoreUnavailable(error);
  }
}
