import { Injectable } from '@nestjs/common';
import { Metrics } from '../../metrics/metrics.js';

/** From a rename on a fast disk to a large file over a slow line, in seconds. */
const BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

export type BlobOperation = 'write' | 'keep' | 'open' | 'find' | 'remove';

/** How long the blob store takes and how often it fails, for Prometheus. */
@Injectable()
export class BlobStoreMetrics {
  private readonly durations;
  private readonly failures;

  constructor(metrics: Metrics) {
    this.durations = metrics.histogram('morag_blob_store_duration_seconds', 'How long the blob store took for what succeeded, with its retries', BUCKETS, ['operation']);
    this.failures = metrics.counter('morag_blob_store_failures_total', 'What the blob store could not do', ['operation']);
  }

  async time<T>(operation: BlobOperation, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      const result = await work();
      this.durations.observe({ operation }, (performance.now() - startedAt) / 1000);
      return result;
    } catch (error) {
      this.failures.inc({ operation });
      throw error;
    }
  }
}
