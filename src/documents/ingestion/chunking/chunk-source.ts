import { CodePoints } from '../code-points.js';
import type { ExtractedDocument, ExtractedPage } from '../extracted-document.js';
import type { ChunkOptions } from './chunking.js';
import { countUntil, Outline } from './outline.js';
import type { Span } from './span.js';

/**
 * One way to cut: the spans of the chunks without blanks at their ends, in order, none within another, each within size and tokens
 * (`isWithin`), together all that is not white space. In linear time, and bit by bit, so that other work gets its turn in between.
 */
export type Strategy = (source: ChunkSource, options: ChunkOptions) => Generator<Span>;

/** What strategies look at: the text by code points, its headings and its pages. */
export class ChunkSource {
  readonly text: CodePoints;
  readonly outline: Outline;
  readonly pages: readonly ExtractedPage[];
  readonly whole: Span;

  constructor(document: ExtractedDocument) {
    this.text = new CodePoints(document.text);
    this.outline = new Outline(this.text, document.headings);
    this.pages = document.pages;
    this.whole = { start: 0, end: this.text.length };
  }

  /** The last page that starts at or before the offset. */
  pageAt(offset: number): number | null {
    return this.pages[countUntil(this.pages.length, (at) => this.pages[at]!.charStart > offset) - 1]?.number ?? null;
  }
}
