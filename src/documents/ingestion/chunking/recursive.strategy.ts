import { CodePoints } from '../code-points.js';
import type { ChunkSource } from './chunk-source.js';
import type { ChunkOptions } from './chunking.js';
import { furthestEnd } from './limits.js';
import { skipSpace, trim, type Span } from './span.js';

/** Ends of paragraphs, lines, sentences and words, best first; each matches up to where the next chunk may start. */
const BREAKS = [/\n[^\S\n]*\n\s*/g, /\n/g, /[.!?…]["'”’)\]]*\s+|[。！？]/g, /\s+/g];

/**
 * By headings first, then by size: no chunk goes on over a heading with text above it, and what is larger than a chunk ends at the best
 * break in its second half, be it of a paragraph, a line, a sentence or a word. Neighbours within a section overlap.
 */
export function* cutRecursively(source: ChunkSource, options: ChunkOptions, span: Span = source.whole): Generator<Span> {
  for (const section of source.outline.sectionsWithin(span)) yield* cutBySize(source.text, section, options);
}

/** Cuts at the best breaks in reach, with overlap, whatever stands in the span. */
export function* cutBySize(text: CodePoints, section: Span, options: ChunkOptions): Generator<Span> {
  const trimmed = trim(text, section);
  if (trimmed === null) return;
  const sectionEnd = trimmed.end;
  let { start } = trimmed;
  let covered = start;
  for (;;) {
    start = skipSpace(text, start, sectionEnd);
    let limit = furthestEnd(text, start, sectionEnd, options);
    if (limit - covered < covered - start) {
      // The shared part leaves too little room for new text (many tokens in few characters): do without it.
      start = covered;
      limit = furthestEnd(text, start, sectionEnd, options);
    }
    const end = limit >= sectionEnd ? sectionEnd : breakBefore(text, start, Math.max(covered, start), limit);
    const span = trim(text, { start, end });
    if (span !== null) yield span;
    if (end >= sectionEnd) return;
    // Past the blanks, so that the next chunk brings text and not only the shared part again.
    covered = skipSpace(text, end, sectionEnd);
    start = overlapStart(text, start, end, options.chunkOverlap);
  }
}

/** The best place to end a chunk in its second half, where it is also past what the chunk before covered. */
function breakBefore(text: CodePoints, start: number, covered: number, limit: number): number {
  const floor = Math.max(start + Math.floor((limit - start) / 2), covered + Math.floor((limit - covered) / 4));
  const window = text.slice(floor, limit);
  for (const pattern of BREAKS) {
    let last = 0;
    for (const match of window.matchAll(pattern)) last = match.index + match[0].length;
    if (last > 0) return floor + new CodePoints(window.slice(0, last)).length;
  }
  return limit;
}

/** Where the next chunk begins: at a sentence, else at a word, within the overlap; at the end itself if there is neither. */
function overlapStart(text: CodePoints, start: number, end: number, chunkOverlap: number): number {
  const overlap = Math.min(chunkOverlap, Math.floor((end - start) / 2));
  if (overlap <= 0) return end;
  const window = text.slice(end - overlap, end);
  for (const pattern of BREAKS.slice(1)) {
    const first = window.matchAll(pattern).next().value;
    const offset = first === undefined ? window.length : first.index + first[0].length;
    if (offset < window.length) return end - overlap + new CodePoints(window.slice(0, offset)).length;
  }
  // Text without spaces is cut anywhere, so the overlap may start anywhere.
  return end - overlap;
}
