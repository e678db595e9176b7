import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ExtractedDocument } from '../extracted-document.js';
import type { Chunk, ChunkOptions } from './chunking.js';

/** Milliseconds after which other work, such as a request or the queue's heartbeat, gets its turn. */
const TURN_MS = 10;

/**
 * All chunks of a document, cut a little at a time.
 * @throws the signal's reason when aborted
 */
export async function cutInTurns(document: ExtractedDocument, options: ChunkOptions, signal?: AbortSignal): Promise<Chunk[]> {
  // Its table of tokens takes a quarter of a second to load, which a start need not wait for.
  const { chunks } = await import('./chunker.js');
  const cut: Chunk[] = [];
  let turnEnds = performance.now() + TURN_MS;
  for (const chunk of chunks(document, options)) {
    cut.push(chunk);
    if (performance.now() < turnEnds) continue;
    await nextTurn();
    signal?.throwIfAborted();
    turnEnds = performance.now() + TURN_MS;
  }
  return cut;
}
