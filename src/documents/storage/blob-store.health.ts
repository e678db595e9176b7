import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { HealthChecks, type HealthAnswer } from '../../metrics/health-checks.js';
import { BlobStore } from './blob-store.js';

/** Uploads at once that the largest files allowed should still find room for. */
const UPLOADS = 10;

/** Tells the operator that the store is away, or the disk on which files arrive getting full, before an upload does. */
@Injectable()
export class BlobStoreHealth {
  constructor(
    checks: HealthChecks,
    private readonly config: Config,
    private readonly blobs: BlobStore,
  ) {
    checks.register({ name: 'blob_store', isEssential: true, ask: () => this.ask() });
  }

  private async ask(): Promise<HealthAnswer> {
    await this.blobs.ping();
    const { freeBytes, totalBytes } = await this.blobs.capacity();
    const isScarce = freeBytes < UPLOADS * this.config.maxUploadBytes;
    return { ...(isScarce && { degradedBecause: `less room is left than ${UPLOADS} files of the largest size need` }), details: { free_bytes: freeBytes, total_bytes: totalBytes } };
  }
}
