import { Embedder, type NoteEmbedded } from './embedder.js';
import type { EmbeddingMetrics } from './embedding-metrics.js';

/** An embedder whose every use is counted: what for, how long and how much. */
export class MeteredEmbedder extends Embedder {
  override readonly provider;
  override readonly model;
  override readonly dimensions;
  override readonly maxInputTokens;
  override readonly isLocal;

  constructor(
    private readonly inner: Embedder,
    private readonly metrics: EmbeddingMetrics,
    private readonly count: NoteEmbedded,
  ) {
    super();
    this.provider = inner.provider;
    this.model = inner.model;
    this.dimensions = inner.dimensions;
    this.maxInputTokens = inner.maxInputTokens;
    this.isLocal = inner.isLocal;
  }

  override embedDocuments(texts: string[], signal?: AbortSignal, note?: NoteEmbedded): Promise<Float32Array[]> {
    return this.metrics.time(this.provider, 'documents', () => this.inner.embedDocuments(texts, signal, this.counting(note)));
  }

  override embedQuery(text: string, signal?: AbortSignal, note?: NoteEmbedded): Promise<Float32Array> {
    return this.metrics.time(this.provider, 'query', () => this.inner.embedQuery(text, signal, this.counting(note)));
  }

  private counting(note: NoteEmbedded | undefined): NoteEmbedded {
    return (amount) => {
      // Nothing was asked for an empty list.
      if (amount.texts > 0) this.count(amount);
      note?.(amount);
    };
  }
}
