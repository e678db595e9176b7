import { hash } from '../../embeddings/lexical-features.js';
import { wordsOf } from './words.js';

/** Words as numbers below 2³², each once, and the weight of each. */
export interface SparseVector {
  indices: number[];
  values: number[];
}

const WORD = 0xb25;
const [K1, B] = [1.2, 0.75];
/** Words of a chunk. The true average moves with every write, and weights that are stored cannot: Qdrant's own BM25 assumes this one, too. */
const AVERAGE_LENGTH = 256;
/** Of a question; the first ones. */
const MAX_QUERY_WORDS = 64;

/**
 * The part of BM25 that a text has by itself: how often it has each word, which counts less the oftener and the longer the text is (Robertson and
 * Zaragoza, "The Probabilistic Relevance Framework", 2009, k1 = 1.2, b = 0.75). How rare a word is, the store knows. Two words in four
 * thousand million may share a number, and are then one.
 */
export function termWeights(text: string): SparseVector {
  const words = wordsOf(text);
  const counts = new Map<number, number>();
  for (const word of words) {
    const index = hash(word, WORD);
    counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  const floor = K1 * (1 - B + (B * words.length) / AVERAGE_LENGTH);
  return { indices: [...counts.keys()], values: [...counts.values()].map((count) => (count * (K1 + 1)) / (count + floor)) };
}

/** The words of a question, all of one weight. */
export function queryTerms(text: string): SparseVector {
  const words = [...new Set(wordsOf(text, { asked: true }))].slice(0, MAX_QUERY_WORDS);
  const indices = [...new Set(words.map((word) => hash(word, WORD)))];
  return { indices, values: indices.map(() => 1) };
}
