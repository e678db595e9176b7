import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from 'prom-client';
import { AppError } from '../../common/errors.js';
import { Metrics } from '../../metrics/metrics.js';
import { inSpan } from '../../tracing/tracing.js';
import type { ServerType } from '../servers/database-server.entity.js';
import { VectorStoreUnavailable } from '../vector-stores/vector-store.errors.js';

/** From a small table in memory to a large delete on a server far away, in seconds. */
const BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

export type StoreOperation = 'ensure' | 'upsert' | 'delete' | 'search' | 'count' | 'drop';

/** Times what is asked of a vector store, for Prometheus and as a span. A tenant's own server is told from the others by its kind only. */
@Injectable()
export class VectorStoreMetrics {
  private readonly durations: Histogram<'store' | 'operation'>;
  private readonly failures: Counter<'store' | 'operation' | 'reason'>;

  constructor(metrics: Metrics) {
    this.durations = metrics.histogram('morag_vector_store_duration_seconds', 'How long vector stores took for what they did', BUCKETS, ['store', 'operation']);
    this.failures = metrics.counter('morag_vector_store_failures_total', 'What vector stores did not do: they were away (unavailable), refused it by a rule of ours (refused), or failed', ['store', 'operation', 'reason']);
  }

  time<T>(store: ServerType, operation: StoreOperation, work: () => Promise<T>): Promise<T> {
    return inSpan(`${operation} ${store}`, 'CLIENT', { 'db.system.name': store.toLowerCase(), 'db.operation.name': operation }, async () => {
      const begunMs = performance.now();
      try {
        const result = await work();
        this.durations.observe({ store, operation }, (performance.now() - begunMs) / 1000);
        return result;
      } catch (error) {
        this.failures.inc({ store, operation, reason: reasonOf(error) });
        throw error;
      }
    });
  }
}

function reasonOf(error: unknown): 'unavailable' | 'refused' | 'failed' {
  if (error instanceof VectorStoreUnavailable) return 'unavailable';
  return error instanceof AppError ? 'refused' : 'failed';
}
