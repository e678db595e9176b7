import type { ChunkSource } from './chunk-source.js';
import type { ChunkOptions } from './chunking.js';
import { isWithin } from './limits.js';
import { cutRecursively } from './recursive.strategy.js';
import { trim, type Span } from './span.js';

/**
 * By pages, slides or sheets: no chunk crosses from one to the next, and one that fits is a chunk of its own, headings or not. A larger one
 * is cut recursively, with overlap within it only. A document without pages is one page; what stands between two is of the first.
 */
export function* cutByPages(source: ChunkSource, options: ChunkOptions): Generator<Span> {
  for (const page of pagesOf(source)) {
    const span = trim(source.text, page);
    if (span === null) continue;
    if (isWithin(source.text, span, options)) yield span;
    else yield* cutRecursively(source, options, span);
  }
}

function* pagesOf({ pages, whole }: ChunkSource): Generator<Span> {
  let start = 0;
  for (const { charStart } of pages) {
    yield { start, end: charStart };
    start = charStart;
  }
  yield { start, end: whole.end };
}
