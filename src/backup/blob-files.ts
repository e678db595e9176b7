import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { BlobPlace } from '../config/blob-address.js';
import type { Config } from '../config/config.js';
import { StartupError } from '../config/env.js';
import { openBlobStore } from '../documents/storage/blob-store.factory.js';
import type { BlobStore } from '../documents/storage/blob-store.js';
import type { FileEntry } from './manifest.js';

/** Everything that a backup and a restore ask of the store of files is in here. */
export async function withFiles<T>(config: Pick<Config, 'blobPlace' | 'dataDir'>, work: (blobs: BlobStore) => Promise<T>): Promise<T> {
  const blobs = await openBlobStore(config);
  try {
    return await work(blobs);
  } finally {
    blobs.close();
  }
}

/** Null when there is no such file. */
export async function openFile(blobs: BlobStore, key: string): Promise<Readable | null> {
  return (await blobs.openForReading(key))?.stream ?? null;
}

/** Gives a file its lasting place, durably, unless it is not the one that was backed up. */
export async function keepFile(blobs: BlobStore, { key, bytes, sha256 }: FileEntry, source: Readable): Promise<void> {
  const staged = await blobs.receive(source, { maxBytes: bytes, maxSize: `${bytes} bytes`, headBytes: 0 });
  if (staged.sha256 === sha256) return blobs.keep(staged, key);
  await blobs.discard(staged);
  throw new StartupError(`The backup was changed while it was being restored: ${key} is not what it was.`);
}

/** Whether there is anything in a store. What it needs on this machine's disk to be asked is not left behind. */
export async function holdsFiles(blobPlace: BlobPlace): Promise<boolean> {
  if (blobPlace.kind === 'directory' && !existsSync(blobPlace.directory)) return false;
  const dataDir = await mkdtemp(path.join(tmpdir(), 'morag-restore-'));
  try {
    return await withFiles({ blobPlace, dataDir }, async (blobs) => {
      for await (const tenant of blobs.directories()) for await (const names of blobs.namesIn(tenant, 1)) if (names.length > 0) return true;
      return false;
    });
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}
