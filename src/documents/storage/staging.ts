import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { v7 as uuidv7 } from 'uuid';
import { errorCode } from '../../common/error-code.js';
import { PayloadTooLarge } from '../../common/request-errors.js';
import { StorageFull } from '../documents.errors.js';
import type { ReceiveLimits, StagedBlob } from './blob-store.js';

const ABANDONED_MS = 24 * 3_600_000;

/** What a killed process was still receiving. A file so old belongs to no request of a living one. */
async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const file = path.join(directory, name);
    const changedMs = await lastChange(file);
    if (changedMs !== null && Date.now() - changedMs > ABANDONED_MS) await rm(file, { force: true });
  }
}

/** Null when it is gone: other processes receive into the same directory. */
async function lastChange(file: string): Promise<number | null> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** What to throw after `error` of a file system. */
export function storageFullOr(error: unknown): unknown {
  return ['ENOSPC', 'EDQUOT'].includes(errorCode(error)) ? new StorageFull() : error;
}

/** Files on this machine's disk that are still arriving, or have arrived and are not kept yet. */
export class Staging {
  private constructor(private readonly directory: string) {}

  static async open(directory: string): Promise<Staging> {
    await mkdir(directory, { recursive: true });
    await removeAbandoned(directory);
    return new Staging(directory);
  }

  /** @throws PayloadTooLarge, StorageFull; nothing is left behind */
  async receive(source: Readable, limits: ReceiveLimits): Promise<StagedBlob> {
    const staged = path.join(this.directory, uuidv7());
    // `flush` fsyncs before closing.
    const target = createWriteStream(staged, { flags: 'wx', mode: 0o600, flush: true });
    const hash = createHash('sha256');
    const head: Buffer[] = [];
    let headBytes = 0;
    let sizeBytes = 0;
    try {
      await pipeline(
        source,
        async function* measure(chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            sizeBytes += chunk.length;
            if (sizeBytes > limits.maxBytes) throw new PayloadTooLarge(limits.maxSize);
            hash.update(chunk);
            if (headBytes < limits.headBytes) {
              head.push(chunk.subarray(0, limits.headBytes - headBytes));
              headBytes += chunk.length;
            }
            yield chunk;
          }
        },
        target,
      );
    } catch (error) {
      // A source that breaks at once can be faster than the opening of the file, which would then appear after its removal.
      if (!target.closed) await new Promise<void>((resolve) => target.once('close', () => resolve()));
      await rm(staged, { force: true });
      throw storageFullOr(error);
    }
    return { path: staged, sizeBytes, sha256: hash.digest('hex'), head: Buffer.concat(head) };
  }

  /** Whoever gets it moves or discards it. @throws StorageFull; nothing is left behind */
  async write(text: string, extension: string): Promise<Pick<StagedBlob, 'path'>> {
    const staged = { path: path.join(this.directory, `${uuidv7()}${extension}`) };
    try {
      await writeFile(staged.path, text, { flag: 'wx', mode: 0o600, flush: true });
    } catch (error) {
      await this.discard(staged);
      throw storageFullOr(error);
    }
    return staged;
  }

  async discard(staged: Pick<StagedBlob, 'path'>): Promise<void> {
    await rm(staged.path, { force: true });
  }

  async capacity(): Promise<{ freeBytes: number; totalBytes: number }> {
    const { bavail, blocks, bsize } = await statfs(this.directory);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }
}
