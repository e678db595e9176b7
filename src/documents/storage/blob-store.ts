import { createHash } from 'node:crypto';
import { createWriteStream, type Dir } from 'node:fs';
import { mkdir, open, opendir, readdir, rename, rm, rmdir, stat, statfs, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { v7 as uuidv7 } from 'uuid';
import { errorCode } from '../../common/error-code.js';
import { PayloadTooLarge } from '../../common/request-errors.js';
import { StorageFull } from '../documents.errors.js';

/** A file that has arrived whole and is safe on disk, but belongs to nothing yet. */
export interface StagedBlob {
  path: string;
  sizeBytes: number;
  /** Hexadecimal. */
  sha256: string;
  /** The first bytes, which tell the type. */
  head: Buffer;
}

/** What is known of a file without reading it. */
export interface BlobFacts {
  sizeBytes: number;
  /** When it arrived whole. */
  modifiedMs: number;
}

const ABANDONED_MS = 24 * 3_600_000;
const MOVE_ATTEMPTS = 5;

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What a killed process was still receiving. A file so old belongs to no request of a living one. */
async function removeAbandoned(incoming: string): Promise<void> {
  for (const name of await readdir(incoming)) {
    const file = path.join(incoming, name);
    const { mtimeMs } = await stat(file);
    if (Date.now() - mtimeMs > ABANDONED_MS) await rm(file, { force: true });
  }
}

async function removeEmptyDirectory(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errorCode(error))) throw error;
  }
}

async function openIfThere(directory: string): Promise<Dir | null> {
  try {
    return await opendir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

const isDiskFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(errorCode(error));

/** Original files, and what was read in them, on the file system: what it acknowledged survives a power cut. */
export class BlobStore {
  private constructor(
    private readonly root: string,
    private readonly incoming: string,
  ) {}

  static async open(root: string): Promise<BlobStore> {
    const incoming = path.join(root, 'incoming');
    await mkdir(incoming, { recursive: true });
    await removeAbandoned(incoming);
    return new BlobStore(root, incoming);
  }

  /**
   * Writes a stream to disk while hashing and counting it; memory does not grow with it.
   * @param limits `maxSize` says in words what `maxBytes` is, for the refusal
   * @throws PayloadTooLarge, StorageFull; nothing is left behind
   */
  async receive(source: Readable, limits: { maxBytes: number; maxSize: string; headBytes: number }): Promise<StagedBlob> {
    const staged = path.join(this.incoming, uuidv7());
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
      throw isDiskFull(error) ? new StorageFull() : error;
    }
    return { path: staged, sizeBytes, sha256: hash.digest('hex'), head: Buffer.concat(head) };
  }

  /** Makes a text, in UTF-8, the whole of a file, in one step. Durable once this returns. @throws StorageFull; the file is then as it was */
  async write(key: string, text: string): Promise<void> {
    const staged = { path: path.join(this.incoming, `${uuidv7()}${path.extname(key)}`) };
    try {
      await writeFile(staged.path, text, { flag: 'wx', mode: 0o600, flush: true });
      await this.keep(staged, key);
    } catch (error) {
      await this.discard(staged);
      throw isDiskFull(error) ? new StorageFull() : error;
    }
  }

  /** Gives the file its lasting place. Durable once this returns. @throws StorageFull */
  async keep(staged: Pick<StagedBlob, 'path'>, key: string): Promise<void> {
    const target = this.pathOf(key);
    const directory = path.dirname(target);
    try {
      await this.moveInto(directory, staged, target);
      await syncDirectory(directory);
      await syncDirectory(this.root);
    } catch (error) {
      throw isDiskFull(error) ? new StorageFull() : error;
    }
  }

  async discard(staged: Pick<StagedBlob, 'path'>): Promise<void> {
    await rm(staged.path, { force: true });
  }

  async remove(key: string): Promise<void> {
    await rm(this.pathOf(key), { force: true });
    await removeEmptyDirectory(path.dirname(this.pathOf(key)));
  }

  /** Every file whose key begins with `directory/`. */
  async removeDirectory(directory: string): Promise<void> {
    if (!/^[\w-]+$/.test(directory)) throw new TypeError('not the name of a directory of keys');
    await rm(this.pathOf(directory), { recursive: true, force: true });
  }

  /** Again when the directory, empty until then, was removed in between. */
  private async moveInto(directory: string, staged: Pick<StagedBlob, 'path'>, target: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await mkdir(directory, { recursive: true });
      try {
        await rename(staged.path, target);
        return;
      } catch (error) {
        if (errorCode(error) !== 'ENOENT' || attempt === MOVE_ATTEMPTS) throw error;
      }
    }
  }

  pathOf(key: string): string {
    return path.join(this.root, key);
  }

  /** Null when there is no such file. */
  async openForReading(key: string): Promise<FileHandle | null> {
    try {
      return await open(this.pathOf(key), 'r');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  /** Of the keys `directory/name`, every directory. */
  async *directories(): AsyncGenerator<string> {
    for await (const entry of await opendir(this.root)) if (entry.isDirectory() && entry.name !== path.basename(this.incoming)) yield entry.name;
  }

  /** And every name in one, so many at a time and in no order; one that is added or removed meanwhile, with its directory, may be among them or not. */
  async *namesIn(directory: string, pageSize: number): AsyncGenerator<string[]> {
    const entries = await openIfThere(this.pathOf(directory));
    if (!entries) return;
    let page: string[] = [];
    for await (const entry of entries) {
      if (!entry.isFile()) continue;
      page.push(entry.name);
      if (page.length < pageSize) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  /** Null when there is no such file. */
  async find(key: string): Promise<BlobFacts | null> {
    try {
      const { size, mtimeMs } = await stat(this.pathOf(key));
      return { sizeBytes: size, modifiedMs: mtimeMs };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  async capacity(): Promise<{ freeBytes: number; totalBytes: number }> {
    const { bavail, blocks, bsize } = await statfs(this.root);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }
}
