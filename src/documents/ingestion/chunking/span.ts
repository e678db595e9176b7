import type { CodePoints } from '../code-points.js';

/** The code points `[start, end)` of a text. */
export interface Span {
  start: number;
  end: number;
}

/** Without the white space around it; null when there is nothing else. */
export function trim(text: CodePoints, span: Span): Span | null {
  // A page or heading that an extractor places beyond the text is blank, not a search without end.
  let end = Math.min(span.end, text.length);
  const start = skipSpace(text, span.start, end);
  for (let size = 256; start < end; size *= 2) {
    const tail = text.slice(Math.max(start, end - size), end);
    const spaces = tail.length - tail.trimEnd().length;
    end -= spaces;
    if (spaces < tail.length) break;
  }
  return start < end ? { start, end } : null;
}

/** Looks at a little more each time: megabytes of blanks are skipped in one pass, a single one costs next to nothing. */
export function skipSpace(text: CodePoints, start: number, end: number): number {
  let position = start;
  for (let size = 256; position < end; size *= 2) {
    const head = text.slice(position, Math.min(end, position + size));
    const spaces = head.length - head.trimStart().length;
    position += spaces;
    if (spaces < head.length) break;
  }
  return position;
}
