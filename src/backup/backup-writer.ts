import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { errorCode, errorMessage } from '../common/error-code.js';
import { StartupError } from '../config/env.js';
import { isFilled, syncDirectory } from './directories.js';
import { MANIFEST_FILE, type Manifest, type StoredFile } from './manifest.js';

type Source = Iterable<Buffer | string> | AsyncIterable<Buffer | string>;

/** A backup on its way to the disk: under another name until all of it is there, and open to nobody but its owner. */
export class BackupWriter {
  private readonly directories = new Set<string>();

  private constructor(
    private readonly target: string,
    private readonly staging: string,
    private readonly signal: AbortSignal,
  ) {}

  /** @throws StartupError when something is there already, or the place cannot be written */
  static async open(out: string, signal: AbortSignal): Promise<BackupWriter> {
    const target = path.resolve(out);
    const staging = `${target}.unfinished`;
    try {
      if (await isFilled(target)) throw new StartupError(`${target} is not empty. Choose a directory that is not there yet.`);
      // Of a backup that was killed: whoever is at one holds the lock that we hold.
      await rm(staging, { recursive: true, force: true });
      await mkdir(path.dirname(target), { recursive: true });
      await mkdir(staging, { mode: 0o700 });
    } catch (error) {
      throw error instanceof StartupError ? error : new StartupError(`${target} cannot be written (${errorMessage(error)}).`, { cause: error });
    }
    return new BackupWriter(target, staging, signal);
  }

  /** Writes a file, durably, in the place of what it was. Compressed ones end in `.zst`. */
  async write(file: string, source: Source): Promise<StoredFile> {
    const place = path.join(this.staging, file);
    await this.makeDirectories(path.dirname(place));
    const hash = createHash('sha256');
    let bytes = 0;
    const measure = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        hash.update(chunk);
        yield chunk;
      }
    };
    const target = createWriteStream(place, { mode: 0o600, flush: true });
    if (file.endsWith('.zst')) await pipeline(Readable.from(source), createZstdCompress(), measure, target, { signal: this.signal });
    else await pipeline(Readable.from(source), measure, target, { signal: this.signal });
    return { file, bytes, sha256: hash.digest('hex') };
  }

  /** What makes it a backup: from here on it is whole. */
  async finish(manifest: Manifest): Promise<void> {
    await writeFile(path.join(this.staging, MANIFEST_FILE), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600, flush: true });
    for (const directory of [...this.directories, this.staging]) await syncDirectory(directory);
    // An empty directory may be there, and is not one that can be renamed over everywhere.
    await rmdir(this.target).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error;
    });
    await rename(this.staging, this.target);
    await syncDirectory(path.dirname(this.target));
  }

  async discard(): Promise<void> {
    await rm(this.staging, { recursive: true, force: true });
  }

  private async makeDirectories(directory: string): Promise<void> {
    if (directory === this.staging || this.directories.has(directory)) return;
    await this.makeDirectories(path.dirname(directory));
    await mkdir(directory, { recursive: true, mode: 0o700 });
    this.directories.add(directory);
  }
}
