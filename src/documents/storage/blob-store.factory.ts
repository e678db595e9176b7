import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../config/config.js';
import type { BlobStore } from './blob-store.js';
import { FilesystemBlobStore } from './filesystem.blob-store.js';
import { S3BlobStore } from './s3.blob-store.js';

/** The store that `BLOB_STORE` names. */
export function openBlobStore({ blobPlace, dataDir }: Pick<Config, 'blobPlace' | 'dataDir'>): Promise<BlobStore> {
  return blobPlace.kind === 's3' ? S3BlobStore.open(blobPlace, path.join(dataDir, 'incoming')) : FilesystemBlobStore.open(fileURLToPath(blobPlace.directory));
}
