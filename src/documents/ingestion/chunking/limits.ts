import type { CodePoints } from '../code-points.js';
import { countTokens } from '../token-count.js';
import type { ChunkOptions } from './chunking.js';
import type { Span } from './span.js';

const MAX_BYTES_OF_CODE_POINT = 4;

/** Whether the span may be one chunk, as it is. */
export function isWithin(text: CodePoints, { start, end }: Span, { chunkSize, maxTokens }: ChunkOptions): boolean {
  return end - start <= chunkSize && tokensUpTo(text, start, end, maxTokens) <= maxTokens;
}

/** The furthest end that size and tokens allow, at least one code point on. */
export function furthestEnd(text: CodePoints, start: number, limit: number, options: ChunkOptions): number {
  let length = Math.min(Math.max(options.chunkSize, 1), limit - start);
  const budget = tokenBudget(options);
  while (length > 1) {
    const tokens = tokensUpTo(text, start, start + length, options.maxTokens);
    if (tokens <= budget) break;
    length = Math.max(1, Math.min(length - 1, Math.floor((length * budget) / tokens)));
  }
  return start + length;
}

/** Less than the limit: what is measured in parts, or trimmed afterwards, may come out a few tokens larger. */
export function tokenBudget({ maxTokens }: Pick<ChunkOptions, 'maxTokens'>): number {
  return maxTokens - Math.min(4, Math.floor(maxTokens / 8));
}

/** Tokens of a part, to be added up against `tokenBudget`; 0 where no chunk of this size can have too many. */
export function tokenCost(text: CodePoints, { start, end }: Span, { chunkSize, maxTokens }: ChunkOptions): number {
  return chunkSize * MAX_BYTES_OF_CODE_POINT <= tokenBudget({ maxTokens }) ? 0 : countTokens(text.slice(start, end));
}

/** The tokens, or 0 where the bytes alone show that they are not more than `maxTokens`: no token is shorter than a byte, and counting is what takes the time. */
function tokensUpTo(text: CodePoints, start: number, end: number, maxTokens: number): number {
  const content = text.slice(start, end);
  return Buffer.byteLength(content) <= maxTokens ? 0 : countTokens(content);
}
