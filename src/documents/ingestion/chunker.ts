import { CodePoints } from './code-points.js';
import type { ExtractedDocument, ExtractedHeading, ExtractedPage } from './extracted-document.js';
import { countTokens } from './token-count.js';

export interface ChunkOptions {
  /** Code points. */
  chunkSize: number;
  /** Code points that neighbours share at most; in effect never more than half a chunk, nor across a heading. */
  chunkOverlap: number;
  /** Tokens of o200k_base; only a single code point is ever larger. */
  maxTokens: number;
}

export interface Chunk {
  index: number;
  /** Exactly the code points `[charStart, charEnd)` of the document's text. */
  text: string;
  tokenCount: number;
  charStart: number;
  charEnd: number;
  pageFrom: number | null;
  pageTo: number | null;
  /** From the outermost heading to the one right above the text. */
  headingPath: string[];
}

interface Span {
  start: number;
  end: number;
}

/** Ends of paragraphs, lines, sentences and words, best first; each matches up to where the next chunk may start. */
const BREAKS = [/\n[^\S\n]*\n\s*/g, /\n/g, /[.!?…]["'”’)\]]*\s+|[。！？]/g, /\s+/g];

/** Cuts a document into overlapping pieces for retrieval: by headings first, then by size at the best break in reach. */
export function chunk(document: ExtractedDocument, options: ChunkOptions): Chunk[] {
  return [...chunks(document, options)];
}

/** As `chunk`, one at a time: 50 MB take seconds, in which a worker has heartbeats to send. */
export function* chunks(document: ExtractedDocument, options: ChunkOptions): Generator<Chunk> {
  let index = 0;
  const text = new CodePoints(document.text);
  const paths = new HeadingPaths(document.headings);
  for (const section of sections(text, document.headings)) {
    for (const { start, end } of split(text, section, options)) {
      const content = text.slice(start, end);
      const [pageFrom, pageTo] = pageRange(document.pages, start, end);
      yield {
        index: index++,
        text: content,
        tokenCount: countTokens(content),
        charStart: start,
        charEnd: end,
        pageFrom,
        pageTo,
        headingPath: paths.at(end),
      };
    }
  }
}

/** From heading to heading; a heading without text of its own stays with what follows it. */
function* sections(text: CodePoints, headings: readonly ExtractedHeading[]): Generator<Span> {
  let start = 0;
  let heading: number | null = null;
  for (const { charStart } of headings) {
    if (hasBody(text, heading, start, charStart)) {
      yield { start, end: charStart };
      start = charStart;
    }
    heading = charStart;
  }
  yield { start, end: text.length };
}

/** Whether anything but white space stands between the last heading's line (or the section's start) and `end`. */
function hasBody(text: CodePoints, heading: number | null, start: number, end: number): boolean {
  const content = text.slice(heading ?? start, end);
  if (heading === null) return content.trim() !== '';
  const newline = content.indexOf('\n');
  return newline !== -1 && content.slice(newline).trim() !== '';
}

function* split(text: CodePoints, section: Span, options: ChunkOptions): Generator<Span> {
  const trimmed = trim(text, section);
  if (trimmed === null) return;
  const sectionEnd = trimmed.end;
  let { start } = trimmed;
  let covered = start;
  for (;;) {
    start = skipSpace(text, start, sectionEnd);
    let limit = fit(text, start, sectionEnd, options);
    if (limit - covered < covered - start) {
      // The shared part leaves too little room for new text (many tokens in few characters): do without it.
      start = covered;
      limit = fit(text, start, sectionEnd, options);
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

/** The furthest end that size and tokens allow, at least one code point on. */
function fit(text: CodePoints, start: number, sectionEnd: number, { chunkSize, maxTokens }: ChunkOptions): number {
  let length = Math.min(Math.max(chunkSize, 1), sectionEnd - start);
  // A chunk is cut shorter afterwards, and the beginning of a token may be two tokens.
  const budget = maxTokens - Math.min(4, Math.floor(maxTokens / 8));
  while (length > 1) {
    const content = text.slice(start, start + length);
    // No token is shorter than a byte, so most chunks need no counting here.
    if (Buffer.byteLength(content) <= maxTokens) break;
    const tokens = countTokens(content);
    if (tokens <= budget) break;
    length = Math.max(1, Math.min(length - 1, Math.floor((length * budget) / tokens)));
  }
  return start + length;
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

function trim(text: CodePoints, span: Span): Span | null {
  const start = skipSpace(text, span.start, span.end);
  let { end } = span;
  for (let size = 256; start < end; size *= 2) {
    const tail = text.slice(Math.max(start, end - size), end);
    const spaces = tail.length - tail.trimEnd().length;
    end -= spaces;
    if (spaces < tail.length) break;
  }
  return start < end ? { start, end } : null;
}

/** Looks at a little more each time: megabytes of blanks are skipped in one pass, a single one costs next to nothing. */
function skipSpace(text: CodePoints, start: number, end: number): number {
  let position = start;
  for (let size = 256; position < end; size *= 2) {
    const head = text.slice(position, Math.min(end, position + size));
    const spaces = head.length - head.trimStart().length;
    position += spaces;
    if (spaces < head.length) break;
  }
  return position;
}

function pageRange(pages: readonly ExtractedPage[], start: number, end: number): [number | null, number | null] {
  return [pageAt(pages, start), pageAt(pages, end - 1)];
}

/** The last page that starts at or before the offset. */
function pageAt(pages: readonly ExtractedPage[], offset: number): number | null {
  let low = 0;
  let high = pages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (pages[middle]!.charStart <= offset) low = middle + 1;
    else high = middle;
  }
  return pages[low - 1]?.number ?? null;
}

/** Answers which headings stand above an offset; chunks ask in ascending order, so one pass over the headings serves all. */
class HeadingPaths {
  private readonly stack: ExtractedHeading[] = [];
  private next = 0;

  constructor(private readonly headings: readonly ExtractedHeading[]) {}

  at(charEnd: number): string[] {
    for (let heading = this.headings[this.next]; heading !== undefined && heading.charStart < charEnd; heading = this.headings[this.next]) {
      while (this.stack.length > 0 && this.stack.at(-1)!.level >= heading.level) this.stack.pop();
      this.stack.push(heading);
      this.next += 1;
    }
    return this.stack.map(({ text }) => text);
  }
}
