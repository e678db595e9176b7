import type { ExtractedDocument } from '../extracted-document.js';
import { countTokens } from '../token-count.js';
import { ChunkSource, type Strategy } from './chunk-source.js';
import type { ChunkingStrategy } from '../../../common/chunking.js';
import type { Chunk, ChunkOptions } from './chunking.js';
import { cutByHeadings } from './heading.strategy.js';
import { cutByPages } from './page.strategy.js';
import { cutRecursively } from './recursive.strategy.js';
import { cutBySentences } from './sentence.strategy.js';

const STRATEGIES: Record<ChunkingStrategy, Strategy> = {
  recursive: cutRecursively,
  sentence: cutBySentences,
  page: cutByPages,
  heading: cutByHeadings,
};

/** Cuts a document into pieces for retrieval; the same document and options always make the same ones. */
export function chunk(document: ExtractedDocument, options: ChunkOptions): Chunk[] {
  return [...chunks(document, options)];
}

/** As `chunk`, one at a time: 50 MB take seconds, in which a process has other work. */
export function* chunks(document: ExtractedDocument, options: ChunkOptions): Generator<Chunk> {
  let index = 0;
  const source = new ChunkSource(document);
  for (const span of STRATEGIES[options.chunkingStrategy](source, options)) {
    const text = source.text.slice(span.start, span.end);
    yield {
      index: index++,
      text,
      tokenCount: countTokens(text),
      charStart: span.start,
      charEnd: span.end,
      pageFrom: source.pageAt(span.start),
      pageTo: source.pageAt(span.end - 1),
      headingPath: source.outline.pathOf(span),
    };
  }
}
