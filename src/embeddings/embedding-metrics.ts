import { Injectable } from '@nestjs/common';
import { Metrics } from '../metrics/metrics.js';
import { inSpan } from '../tracing/tracing.js';
import { EmbeddingFailed, type EmbeddingProvider } from './embedder.js';

/** From a model in memory to a provider that asks to wait, in seconds. */
const BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

/** Questions are short and somebody waits for them; passages come in batches. */
export type EmbeddedKind = 'documents' | 'query';

/** How long embedding takes and how it fails, for Prometheus. */
@Injectable()
export class EmbeddingMetrics {
  private readonly durations;
  private readonly failures;

  constructor(metrics: Metrics) {
    this.durations = metrics.histogram('morag_embedding_duration_seconds', 'How long embedding took that succeeded, with its pauses and retries', BUCKETS, ['provider', 'kind']);
    this.failures = metrics.counter('morag_embedding_failures_total', 'Calls for embeddings that failed, after their retries', ['provider', 'code']);
  }

  /** As a span, too. What was stopped by whoever asked is neither long nor a failure. */
  time<T>(provider: EmbeddingProvider, kind: EmbeddedKind, work: () => Promise<T>): Promise<T> {
    return inSpan(`embed ${kind}`, 'CLIENT', { 'gen_ai.provider.name': provider, 'gen_ai.operation.name': 'embeddings' }, () => this.measure(provider, kind, work));
  }

  private async measure<T>(provider: EmbeddingProvider, kind: EmbeddedKind, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      const result = await work();
      this.durations.observe({ provider, kind }, (performance.now() - startedAt) / 1000);
      return result;
    } catch (error) {
      if (error instanceof EmbeddingFailed) this.failures.inc({ provider, code: error.code });
      throw error;
    }
  }
}
