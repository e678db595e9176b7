import { setImmediate as nextTurn } from 'node:timers/promises';
import { Embedder, estimateAmount, type NoteEmbedded } from './embedder.js';
import { emitFeatures } from './lexical-features.js';

const DIMENSIONS = 1024;
/** About 5 ms of work, so that a long document does not hold up the requests beside it. */
const TEXTS_PER_TURN = 10;

/**
 * The default that needs no network and no model file: signed feature hashing (Weinberger et al., ICML 2009) of stems,
 * stem bigrams and character grams. It finds shared words and misspelt ones, not paraphrases.
 */
export class HashEmbedder extends Embedder {
  override readonly provider = 'hash';
  override readonly model = `local-lexical-${DIMENSIONS}`;
  override readonly dimensions = DIMENSIONS;
  override readonly maxInputTokens = 8192;
  override readonly isLocal = true;

  override async embedDocuments(texts: string[], signal?: AbortSignal, note?: NoteEmbedded): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (const [at, text] of texts.entries()) {
      if (at > 0 && at % TEXTS_PER_TURN === 0) await nextTurn();
      signal?.throwIfAborted();
      vectors.push(embed(text));
    }
    note?.(estimateAmount(texts));
    return vectors;
  }

  override async embedQuery(text: string, signal?: AbortSignal, note?: NoteEmbedded): Promise<Float32Array> {
    signal?.throwIfAborted();
    note?.(estimateAmount([text]));
    return embed(text);
  }
}

/** Sums and square roots only: both are exact in IEEE 754, so every machine gets the same bits. */
function embed(text: string): Float32Array {
  const sums = new Float64Array(DIMENSIONS);
  emitFeatures(text, (hash, weight) => {
    const at = hash % DIMENSIONS;
    sums[at] = sums[at]! + (hash >= 0x80000000 ? -weight : weight);
  });
  let squares = 0;
  for (const sum of sums) squares += sum * sum;
  // Features of opposite sign may cancel out; cosine similarity has no meaning for the zero vector.
  if (squares === 0) squares = sums[0] = 1;
  const norm = Math.sqrt(squares);
  return Float32Array.from(sums, (sum) => sum / norm);
}
