import type { ChunkingStrategy } from '../../../common/chunking.js';

/** How somebody wants a document to be cut. */
export interface Chunking {
  /** Code points of a chunk, at most. */
  chunkSize: number;
  /** Code points that neighbours share, at most; in effect never more than half a chunk, and only within what the strategy cuts by size. */
  chunkOverlap: number;
  chunkingStrategy: ChunkingStrategy;
}

export interface ChunkOptions extends Chunking {
  /** Tokens of o200k_base, which the embedding model takes; only a single code point is ever larger. */
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
  /** The headings that stand above all of the text, outermost first. */
  headingPath: string[];
}
