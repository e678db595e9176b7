/** What a document is cut by; the docblock of each strategy's file says what it promises. */
export const CHUNKING_STRATEGIES = ['recursive', 'sentence', 'page', 'heading'] as const;
export type ChunkingStrategy = (typeof CHUNKING_STRATEGIES)[number];
