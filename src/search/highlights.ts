import { wordsOf } from '../databases/vector-stores/words.js';

/** Offsets in Unicode code points of the text; `end` is behind the last. */
export interface Highlight {
  start: number;
  end: number;
}

const SEGMENTER = new Intl.Segmenter(undefined, { granularity: 'word' });
/** More would mark the whole text. */
const MOST = 100;

/**
 * Where the words of a query stand in a text, in any of their forms: without case and accents, English ones by their stem. In scripts without
 * spaces pairs of characters are compared, so that a marked word may be longer than what was asked for.
 */
export function highlighter(query: string): (text: string) => Highlight[] {
  const wanted = new Set(wordsOf(query, { asked: true }));
  const judged = new Map<string, boolean>();
  const isWanted = (word: string): boolean => {
    const known = judged.get(word);
    if (known !== undefined) return known;
    const verdict = wordsOf(word).some((form) => wanted.has(form));
    judged.set(word, verdict);
    return verdict;
  };
  return (text) => {
    const found: Highlight[] = [];
    let at = 0;
    for (const { segment, isWordLike } of SEGMENTER.segment(text)) {
      const end = at + codePoints(segment);
      if (isWordLike && isWanted(segment)) found.push({ start: at, end });
      if (found.length === MOST) break;
      at = end;
    }
    return found;
  };
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
