import { setImmediate as nextTurn } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Embedder, EmbeddingDimensionMismatch, EmbeddingFailed, estimateAmount, type NoteEmbedded } from './embedder.js';

export interface OnnxModel {
  model: string;
  dimensions: number;
  maxInputTokens: number;
}

/** Vectors of so many texts at once, one after the other in `data`; what is longer than the model takes is cut off. */
export type Extractor = (texts: string[], options: { pooling: 'mean'; normalize: true }) => Promise<{ dims: readonly number[]; data: ArrayLike<number> }>;

/** The runtime computes on the thread that asked, so these are what a request beside it may have to wait for. */
const TEXTS_AT_ONCE = 4;

/** A model on this machine. A text's vector is the mean of its tokens' vectors, normalised (Sentence-BERT: Reimers & Gurevych, EMNLP 2019). */
export class OnnxEmbedder extends Embedder {
  override readonly provider = 'onnx';
  override readonly model: string;
  override readonly dimensions: number;
  override readonly maxInputTokens: number;
  override readonly isLocal = true;
  private readonly logger = new Logger(OnnxEmbedder.name);
  private extractor: Promise<Extractor> | undefined;

  constructor(
    { model, dimensions, maxInputTokens }: OnnxModel,
    private readonly load: () => Promise<Extractor>,
  ) {
    super();
    this.model = model;
    this.dimensions = dimensions;
    this.maxInputTokens = maxInputTokens;
  }

  override async embedDocuments(texts: string[], signal?: AbortSignal, note?: NoteEmbedded): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (let from = 0; from < texts.length; from += TEXTS_AT_ONCE) {
      if (from > 0) await nextTurn();
      signal?.throwIfAborted();
      const part = texts.slice(from, from + TEXTS_AT_ONCE);
      vectors.push(...(await this.extract(part)));
      note?.(estimateAmount(part));
    }
    return vectors;
  }

  override async embedQuery(text: string, signal?: AbortSignal, note?: NoteEmbedded): Promise<Float32Array> {
    const [vector] = await this.embedDocuments([text], signal, note);
    return vector!;
  }

  private async extract(texts: string[]): Promise<Float32Array[]> {
    const extractor = await this.loaded();
    const { dims, data } = await extractor(texts, { pooling: 'mean', normalize: true }).catch((error: unknown) => {
      throw new EmbeddingFailed('rejected', true, `The local model "${this.model}" could not embed a text.`, error);
    });
    const [count, dimensions] = dims;
    if (dims.length !== 2 || count !== texts.length) throw this.invalid('answered no vector a text');
    if (dimensions !== this.dimensions) throw new EmbeddingDimensionMismatch(this.dimensions, dimensions!);
    // A copy: the tensor's memory is the runtime's.
    const numbers = Float32Array.from(data);
    if (!numbers.every(Number.isFinite)) throw this.invalid('answered something that is not a number');
    return texts.map((_, at) => numbers.subarray(at * this.dimensions, (at + 1) * this.dimensions));
  }

  private async loaded(): Promise<Extractor> {
    this.extractor ??= this.load();
    try {
      return await this.extractor;
    } catch (error) {
      this.extractor = undefined;
      // Tenants are told no more: the reason names paths of the server.
      this.logger.error({ err: error, model: this.model }, 'a local embedding model cannot be loaded');
      throw new EmbeddingFailed('unavailable', false, `The local model "${this.model}" cannot be loaded.`, error);
    }
  }

  private invalid(what: string): EmbeddingFailed {
    return new EmbeddingFailed('invalid_response', true, `The local model "${this.model}" ${what}.`);
  }
}
