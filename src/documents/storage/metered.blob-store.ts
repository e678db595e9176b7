import type { Readable } from 'node:stream';
import type { OnApplicationShutdown } from '@nestjs/common';
import { BlobStore, type BlobFacts, type ReceiveLimits, type StagedBlob } from './blob-store.js';
import type { BlobStoreMetrics } from './blob-store.metrics.js';
import type { OpenBlob } from './open-blob.js';

/** Any store, with its times. Of what arrives none are taken: those are the sender's. */
export class MeteredBlobStore extends BlobStore implements OnApplicationShutdown {
  constructor(
    private readonly store: BlobStore,
    private readonly metrics: BlobStoreMetrics,
  ) {
    super();
  }

  receive(source: Readable, limits: ReceiveLimits): Promise<StagedBlob> {
    return this.store.receive(source, limits);
  }

  write(key: string, text: string): Promise<void> {
    return this.metrics.time('write', () => this.store.write(key, text));
  }

  keep(staged: StagedBlob, key: string): Promise<void> {
    return this.metrics.time('keep', () => this.store.keep(staged, key));
  }

  discard(staged: Pick<StagedBlob, 'path'>): Promise<void> {
    return this.store.discard(staged);
  }

  remove(key: string): Promise<void> {
    return this.metrics.time('remove', () => this.store.remove(key));
  }

  removeDirectory(directory: string): Promise<void> {
    return this.store.removeDirectory(directory);
  }

  openForReading(key: string): Promise<OpenBlob | null> {
    return this.metrics.time('open', () => this.store.openForReading(key));
  }

  directories(): AsyncGenerator<string> {
    return this.store.directories();
  }

  namesIn(directory: string, pageSize: number): AsyncGenerator<string[]> {
    return this.store.namesIn(directory, pageSize);
  }

  find(key: string): Promise<BlobFacts | null> {
    return this.metrics.time('find', () => this.store.find(key));
  }

  capacity(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.store.capacity();
  }

  ping(): Promise<void> {
    return this.store.ping();
  }

  close(): void {
    this.store.close();
  }

  onApplicationShutdown(): void {
    this.close();
  }
}
