import { wordsOf } from '../databases/vector-stores/words.js';

/** Offsets in Unicode code points of the text; `end` is behind the last. */
export interface Highlight {
  start: number;
  end: number;
}

const SEGMENTER = new Intl.Segmenter(undefined, { granularity: 'word' });
/** More would mark the whole text. */
const MOST = 100;

/** Where the words of a query stand in a text, in any of their forms, as keyword search sees them. */
export function highlightsIn(text: string, query: string): Highlight[] {
  const wanted = new Set(wordsOf(query));
  const found: Highlight[] = [];
  let at = 0;
  for (const { segment, isWordLike } of SEGMENTER.segment(text)) {
    const end = at + codePoints(segment);
    if (isWordLike && wordsOf(segment).some((word) => wanted.has(word))) found.push({ start: at, end });
    if (found.length === MOST) break;
    at = end;
  }
  return found;
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
