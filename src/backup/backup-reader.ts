import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import { errorCode, errorMessage } from '../common/error-code.js';
import { StartupError } from '../config/env.js';
import { fileEntrySchema, FORMAT, MANIFEST_FILE, manifestSchema, type FileEntry, type Manifest, type StoredFile } from './manifest.js';

/** A backup as it lies on the disk. Nothing in it is believed before it was verified. */
export class BackupReader {
  private constructor(
    private readonly directory: string,
    readonly manifest: Manifest,
  ) {}

  /** @throws StartupError when there is none, or one that this version does not understand */
  static async open(from: string): Promise<BackupReader> {
    const directory = path.resolve(from);
    let contents: unknown;
    try {
      contents = JSON.parse(await readFile(path.join(directory, MANIFEST_FILE), 'utf8'));
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) throw new StartupError(`${directory} is not a backup, or not a whole one: it has no ${MANIFEST_FILE}.`, { cause: error });
      throw new StartupError(`${path.join(directory, MANIFEST_FILE)} cannot be read (${errorMessage(error)}).`, { cause: error });
    }
    const { format } = contents as { format?: unknown };
    if (typeof format === 'number' && format > FORMAT) throw new StartupError(`${directory} was made by a newer version (format ${format}, this one reads up to ${FORMAT}). Restore it with that version.`);
    const result = manifestSchema.safeParse(contents);
    if (!result.success) throw new StartupError(`${path.join(directory, MANIFEST_FILE)} is damaged (${result.error.issues[0]!.path.join('.')}: ${result.error.issues[0]!.message}).`);
    return new BackupReader(directory, result.data);
  }

  /** Reads everything once. @throws StartupError naming the first file that is not as it was written */
  async verify(): Promise<void> {
    const { tables, queue, collections, files, generated_secrets: secrets } = this.manifest;
    for (const stored of [...tables, queue, ...collections, files.list, ...(secrets ? [secrets] : [])]) await this.check(stored);
    let found = 0;
    for await (const { key, bytes, sha256 } of this.files()) {
      await this.check({ file: `files/${key}`, bytes, sha256 });
      found += 1;
    }
    if (found !== files.count) throw new StartupError(`The backup is damaged: its list has ${found} files instead of ${files.count}.`);
  }

  /** The contents of a file as they were before they were compressed. */
  read({ file }: Pick<StoredFile, 'file'>): Readable {
    const source = createReadStream(path.join(this.directory, file));
    if (!file.endsWith('.zst')) return source;
    const plain = createZstdDecompress();
    // Whoever reads hears of what goes wrong through the stream that they have.
    pipeline(source, plain).catch((error: unknown) => plain.destroy(error as Error));
    return plain;
  }

  async *lines(stored: Pick<StoredFile, 'file'>): AsyncGenerator<string> {
    yield* createInterface({ input: this.read(stored), crlfDelay: Infinity });
  }

  /** Every file of a document. */
  async *files(): AsyncGenerator<FileEntry> {
    for await (const line of this.lines(this.manifest.files.list)) yield fileEntrySchema.parse(JSON.parse(line));
  }

  readFile(key: string): Readable {
    return this.read({ file: `files/${key}` });
  }

  private async check({ file, bytes, sha256 }: StoredFile): Promise<void> {
    const place = path.join(this.directory, file);
    const damaged = (how: string, cause?: unknown): StartupError => new StartupError(`The backup is damaged: ${file} ${how}. Nothing was restored.`, { cause });
    try {
      const { size } = await stat(place);
      if (size !== bytes) throw damaged(`has ${size} bytes instead of ${bytes}`);
      const hash = createHash('sha256');
      await pipeline(createReadStream(place), hash);
      if (hash.digest('hex') !== sha256) throw damaged('is not what was written (its checksum differs)');
    } catch (error) {
      throw error instanceof StartupError ? error : damaged(`cannot be read (${errorMessage(error)})`, error);
    }
  }
}
