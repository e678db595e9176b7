import { stemmer } from 'stemmer';

/** Marks are letters' parts in the scripts of India and Thailand. */
const WORD = /[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu;
/** Where a mark is an accent or an optional vowel, and people leave it out when they ask. */
const ACCENTS = /(?<=[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Hebrew}\p{Script=Arabic}])\p{Mn}+/gu;
const UNSPACED = '\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}';
/** The parts of a word in scripts with spaces and in those without. */
const RUNS = new RegExp(`[${UNSPACED}\\p{M}]+|[^${UNSPACED}]+`, 'gu');
const IS_UNSPACED = new RegExp(`^[${UNSPACED}]`, 'u');
const ENGLISH = /^[a-z]{3,}$/;
/** Of a word; what is longer is no word, but the stores have limits. */
const MAX_LENGTH = 64;

/**
 * The words of a text in their order, for stores that rank words but cannot find them in every language: without case and accents, English
 * ones as their Porter stem, and overlapping pairs of characters in scripts without spaces, as Lucene's CJKAnalyzer has them. No dictionary,
 * so that the words of a stored text and those of a later question stay the same words when the platform's dictionaries change.
 * @param asked of a question: single characters of a script without spaces only where they stand alone, since they are in every other text
 */
export function wordsOf(text: string, { asked = false } = {}): string[] {
  const plain = text.normalize('NFKD').replace(ACCENTS, '').normalize('NFKC').toLowerCase();
  const runs = (plain.match(WORD) ?? []).flatMap((word) => word.match(RUNS) ?? []);
  return runs.flatMap((run) => (IS_UNSPACED.test(run) ? grams(run, asked) : [stem(run.length > MAX_LENGTH ? [...run].slice(0, MAX_LENGTH).join('') : run)]));
}

function stem(word: string): string {
  return ENGLISH.test(word) ? stemmer(word) : word;
}

function grams(run: string, asked: boolean): string[] {
  const characters = [...run];
  const pairs = characters.slice(1).map((character, at) => characters[at]! + character);
  return asked && pairs.length > 0 ? pairs : [...characters, ...pairs];
}
