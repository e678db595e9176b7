import { existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/config.js';
import { StartupError } from '../config/env.js';
import { BlobStore } from '../documents/storage/blob-store.js';
import type { FileEntry } from './manifest.js';

/** Everything that a backup and a restore ask of the store of files is in here. */
export function openFiles({ blobDir }: Config): Promise<BlobStore> {
  return BlobStore.open(blobDir);
}

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

/** Whether there is anything at the address of a store. */
export async function holdsFiles(blobStore: string): Promise<boolean> {
  const directory = fileURLToPath(blobStore);
  if (!existsSync(directory)) return false;
  const blobs = await BlobStore.open(directory);
  for await (const tenant of blobs.directories()) for await (const names of blobs.namesIn(tenant, 1)) if (names.length > 0) return true;
  return false;
}
