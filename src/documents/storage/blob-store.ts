import type { Readable } from 'node:stream';
import type { OpenBlob } from './open-blob.js';

/** A file that has arrived whole and is safe on this machine's disk, but belongs to nothing yet. */
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

export interface ReceiveLimits {
  maxBytes: number;
  /** Says in words what `maxBytes` is, for the refusal. */
  maxSize: string;
  headBytes: number;
}

/**
 * Original files, and what was read in them, under the keys `directory/name`. What it acknowledged survives the end of this process and a power cut.
 * Everything that asks the place where the files lie throws `BlobStoreUnavailable` when that does not answer.
 */
export abstract class BlobStore {
  /**
   * Writes a stream to this machine's disk while hashing and counting it; memory does not grow with it.
   * @throws PayloadTooLarge, StorageFull; nothing is left behind
   */
  abstract receive(source: Readable, limits: ReceiveLimits): Promise<StagedBlob>;

  /** Makes a text, in UTF-8, the whole of a file, in one step. Durable once this returns. @throws StorageFull; the file is then as it was */
  abstract write(key: string, text: string): Promise<void>;

  /** Gives the file its lasting place. Durable once this returns. @throws StorageFull */
  abstract keep(staged: StagedBlob, key: string): Promise<void>;

  abstract discard(staged: Pick<StagedBlob, 'path'>): Promise<void>;

  /** Nothing happens when there is no such file. */
  abstract remove(key: string): Promise<void>;

  /** Every file whose key begins with `directory/`. */
  abstract removeDirectory(directory: string): Promise<void>;

  /** Null when there is no such file. */
  abstract openForReading(key: string): Promise<OpenBlob | null>;

  /** Of the keys `directory/name`, every directory. */
  abstract directories(): AsyncGenerator<string>;

  /** And every name in one, so many at a time and in no order; one that is added or removed meanwhile, with its directory, may be among them or not. */
  abstract namesIn(directory: string, pageSize: number): AsyncGenerator<string[]>;

  /** Null when there is no such file. */
  abstract find(key: string): Promise<BlobFacts | null>;

  /** Of the disk on which files arrive. */
  abstract capacity(): Promise<{ freeBytes: number; totalBytes: number }>;

  /** Rejects with the reason when files can be neither read nor kept. */
  abstract ping(): Promise<void>;

  abstract close(): void;
}

/** @throws TypeError for what could lead out of the store, or name all of it */
export function requireDirectoryName(directory: string): void {
  if (!/^[\w-]+$/.test(directory)) throw new TypeError('not the name of a directory of keys');
}
