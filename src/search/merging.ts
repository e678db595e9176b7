import type { DatabaseEntity } from '../databases/database.entity.js';
import type { VectorHit } from '../databases/vector-stores/vector-store.js';

/** As in the fusion within a database (Cormack, Clarke and Büttcher, SIGIR 2009). */
const K = 60;

export interface ScoredChunk {
  hit: VectorHit;
  /** What the results are ordered by. */
  score: number;
}

export interface ListOfDatabase<Found extends { hit: VectorHit }> {
  database: Pick<DatabaseEntity, 'serverType' | 'embeddingProvider' | 'embeddingModel' | 'embeddingUrl' | 'dimensions' | 'distance'>;
  found: Found[];
}

/**
 * Puts what several databases found in one order: by score where their scores mean the same, which they do of one kind of server, one model and one
 * distance; else by the place in each database's own list, 1 for the first. Equals are ordered by id.
 */
export function merge<Found extends { hit: VectorHit }>(lists: readonly ListOfDatabase<Found>[]): (Found & ScoredChunk)[] {
  const isComparable = new Set(lists.map(({ database }) => meaningOf(database))).size <= 1;
  const scored = lists.flatMap(({ found }) => found.map((item, at) => ({ ...item, score: isComparable ? item.hit.score : (K + 1) / (K + 1 + at) })));
  return scored.sort((a, b) => b.score - a.score || (a.hit.id < b.hit.id ? -1 : 1));
}

function meaningOf({ serverType, embeddingProvider, embeddingModel, embeddingUrl, dimensions, distance }: ListOfDatabase<{ hit: VectorHit }>['database']): string {
  return JSON.stringify([serverType, embeddingProvider, embeddingModel, embeddingUrl, dimensions, distance]);
}

/** The first `limit`, and of each document no more than `perDocument`. */
export function capped<Found extends { hit: VectorHit }>(ordered: readonly Found[], limit: number, perDocument: number): Found[] {
  const counts = new Map<string, number>();
  const kept: Found[] = [];
  for (const item of ordered) {
    if (kept.length === limit) break;
    const count = (counts.get(item.hit.documentId) ?? 0) + 1;
    counts.set(item.hit.documentId, count);
    if (count <= perDocument) kept.push(item);
  }
  return kept;
}
