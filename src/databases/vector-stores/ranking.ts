import { reciprocalRankFusion } from './reciprocal-rank-fusion.js';
import type { VectorHit } from './vector-store.js';

/** Best first; equal scores by id, so that the same question always gets the same order. */
export function inOrder(hits: readonly VectorHit[]): VectorHit[] {
  return [...hits].sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
}

/** Joins two ordered lists into one with both scores a hit, ordered by reciprocal rank fusion. */
export function fuse(byVector: readonly VectorHit[], byKeyword: readonly VectorHit[]): VectorHit[] {
  const hits = new Map(byVector.map((hit) => [hit.id, hit]));
  for (const hit of byKeyword) hits.set(hit.id, { ...hit, scores: { ...hits.get(hit.id)?.scores, ...hit.scores } });
  const fused = reciprocalRankFusion([byVector.map(({ id }) => id), byKeyword.map(({ id }) => id)]);
  return inOrder([...hits.values()].map((hit) => ({ ...hit, score: fused.get(hit.id) ?? 0 })));
}
