import type { Dir } from 'node:fs';
import { access, constants, mkdir, open, opendir, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { errorCode } from '../../common/error-code.js';
import { BlobStore, requireDirectoryName, type BlobFacts, type ReceiveLimits, type StagedBlob } from './blob-store.js';
import { openFile, type OpenBlob } from './open-blob.js';
import { Staging, storageFullOr } from './staging.js';

const MOVE_ATTEMPTS = 5;

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
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

/** Files in a directory, which several processes may share; what is arriving is on the same file system, so that keeping it is a rename. */
export class FilesystemBlobStore extends BlobStore {
  private constructor(
    private readonly root: string,
    private readonly incoming: string,
    private readonly staging: Staging,
  ) {
    super();
  }

  static async open(root: string): Promise<FilesystemBlobStore> {
    const incoming = path.join(root, 'incoming');
    return new FilesystemBlobStore(root, incoming, await Staging.open(incoming));
  }

  receive(source: Readable, limits: ReceiveLimits): Promise<StagedBlob> {
    return this.staging.receive(source, limits);
  }

  async write(key: string, text: string): Promise<void> {
    const staged = await this.staging.write(text, path.extname(key));
    try {
      await this.place(staged, key);
    } catch (error) {
      await this.discard(staged);
      throw error;
    }
  }

  keep(staged: StagedBlob, key: string): Promise<void> {
    return this.place(staged, key);
  }

  discard(staged: Pick<StagedBlob, 'path'>): Promise<void> {
    return this.staging.discard(staged);
  }

  async remove(key: string): Promise<void> {
    await rm(this.pathOf(key), { force: true });
    await removeEmptyDirectory(path.dirname(this.pathOf(key)));
  }

  async removeDirectory(directory: string): Promise<void> {
    requireDirectoryName(directory);
    await rm(this.pathOf(directory), { recursive: true, force: true });
  }

  openForReading(key: string): Promise<OpenBlob | null> {
    return openFile(this.pathOf(key));
  }

  async *directories(): AsyncGenerator<string> {
    for await (const entry of await opendir(this.root)) if (entry.isDirectory() && entry.name !== path.basename(this.incoming)) yield entry.name;
  }

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

  async find(key: string): Promise<BlobFacts | null> {
    try {
      const { size, mtimeMs } = await stat(this.pathOf(key));
      return { sizeBytes: size, modifiedMs: mtimeMs };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  capacity(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.staging.capacity();
  }

  async ping(): Promise<void> {
    await access(this.incoming, constants.R_OK | constants.W_OK | constants.X_OK);
  }

  close(): void {
    // Nothing is open between two calls.
  }

  private async place(staged: Pick<StagedBlob, 'path'>, key: string): Promise<void> {
    const target = this.pathOf(key);
    const directory = path.dirname(target);
    try {
      await this.moveInto(directory, staged, target);
      await syncDirectory(directory);
      await syncDirectory(this.root);
    } catch (error) {
      throw storageFullOr(error);
    }
  }

  /** Again when the directory, empty until then, was removed in between, or just while it was made: `mkdir` finds it there, looks what it is, and then it is gone. */
  private async moveInto(directory: string, staged: Pick<StagedBlob, 'path'>, target: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await mkdir(directory, { recursive: true });
        await rename(staged.path, target);
        return;
      } catch (error) {
        if (errorCode(error) !== 'ENOENT' || attempt === MOVE_ATTEMPTS) throw error;
      }
    }
  }

  private pathOf(key: string): string {
    return path.join(this.root, key);
  }
}
