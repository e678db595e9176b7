import { stemmer } from 'stemmer';

/** Called with a stable 32-bit hash of each feature of a text and the weight it has there. */
export type FeatureSink = (hash: number, weight: number) => void;

const WORD = /[\p{L}\p{N}]+/gu;
const ENGLISH = /^[a-z]+$/;
/** Scripts written without spaces: one "word" is a whole clause, so its short grams carry the meaning. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const STOP_WORDS = new Set(
  (
    'a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it its ' +
    'me my no not of on or our she should so that the their them then there these they this to was we were what when ' +
    'where which who why will with would you your'
  ).split(' '),
);
const STOP_WORD_WEIGHT = 0.1;
const BIGRAM_WEIGHT = 0.4;
/** All grams of one word together; above the stem's 1, or a misspelt word, which shares few, drowns in collisions. */
const GRAMS_WEIGHT = 1.5;

/** Separate hash spaces, so that the stem "cat" and the gram "cat" are different features. */
const STEM = 0x5eed01;
const BIGRAM = 0x5eed02;
const GRAM = 0x5eed03;
const RAW = 0x5eed04;

/**
 * Emits the features of a text: stems, stem bigrams and character 3–5-grams (1–2 in scripts without spaces), each
 * weighted by the square root of its count. A text without letters or digits is one feature as a whole.
 */
export function emitFeatures(text: string, emit: FeatureSink): void {
  const words = text.normalize('NFKD').replace(/\p{M}+/gu, '').toLowerCase().match(WORD) ?? [];
  if (words.length === 0) return emit(hash(text.trim(), RAW), 1);

  const wordCounts = new Map<string, number>();
  const bigramCounts = new Map<string, number>();
  let previous = '';
  for (const word of words) {
    wordCounts.set(word, (wordCounts.get(word) ?? 0) + 1);
    const stem = stemOf(word);
    if (previous !== '') {
      const bigram = `${previous} ${stem}`;
      bigramCounts.set(bigram, (bigramCounts.get(bigram) ?? 0) + 1);
    }
    previous = stem;
  }
  for (const [word, count] of wordCounts) emitWord(word, Math.sqrt(count), emit);
  for (const [bigram, count] of bigramCounts) emit(hash(bigram, BIGRAM), BIGRAM_WEIGHT * Math.sqrt(count));
}

function stemOf(word: string): string {
  return ENGLISH.test(word) ? stemmer(word) : word;
}

function emitWord(word: string, weight: number, emit: FeatureSink): void {
  if (STOP_WORDS.has(word)) return emit(hash(word, STEM), weight * STOP_WORD_WEIGHT);
  emit(hash(stemOf(word), STEM), weight);
  const unspaced = UNSPACED.test(word);
  const padded = unspaced ? word : `^${word}$`;
  const [shortest, longest] = unspaced ? [1, 2] : [3, 5];
  let grams = 0;
  for (let size = shortest; size <= longest; size++) grams += Math.max(0, padded.length - size + 1);
  // Clauses of unspaced scripts hold many words, so their grams are not held down to the weight of one.
  const each = unspaced ? weight : (weight * GRAMS_WEIGHT) / Math.sqrt(grams);
  for (let start = 0; start < padded.length; start++) {
    let state = GRAM;
    for (let end = start; end < padded.length && end - start < longest; end++) {
      state = step(state, padded.charCodeAt(end));
      if (end - start + 1 >= shortest) emit(finish(state), each);
    }
  }
}

/** A stable 32-bit hash; each seed has a hash space of its own. */
export function hash(text: string, seed: number): number {
  let state = seed;
  for (let at = 0; at < text.length; at++) state = step(state, text.charCodeAt(at));
  return finish(state);
}

/** One round of FNV-1a over UTF-16 code units. */
function step(state: number, code: number): number {
  return Math.imul(state ^ code, 0x01000193);
}

/** The finaliser of MurmurHash3: FNV alone leaves the low bits of short strings correlated. */
function finish(state: number): number {
  let mixed = state ^ (state >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
