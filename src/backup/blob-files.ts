import type { Readable } from 'node:stream';
import { StartupError } from '../config/env.js';
import type { BlobStore } from '../documents/storage/blob-store.js';
import type { FileEntry } from './manifest.js';

/** Null when there is no such file. */
export async function openFile(blobs: BlobStore, key: string): Promise<Readable | null> {
  return (await blobs.openForReading(key))?.createReadStream() ?? null;
}

/** Gives a file its lasting place, durably, unless it is not the one that was backed up. */
export async function keepFile(blobs: BlobStore, { key, bytes, sha256 }: FileEntry, source: Readable): Promise<void> {
  const staged = await blobs.receive(source, { maxBytes: bytes, maxSize: `${bytes} bytes`, headBytes: 0 });
  if (staged.sha256 === sha256) return blobs.keep(staged, key);
  await blobs.discard(staged);
  throw new StartupError(`The backup was changed while it was being restored: ${key} is not what it was.`);
}

export async function hasFiles(blobs: BlobStore): Promise<boolean> {
  for await (const directory of blobs.directories()) for await (const names of blobs.namesIn(directory, 1)) if (names.length > 0) return true;
  return false;
}
