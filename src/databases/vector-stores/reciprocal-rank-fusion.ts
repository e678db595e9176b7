const K = 60;

/**
 * Joins ranked lists by rank alone, since cosine similarity and BM25 have no common scale (Cormack, Clarke and
 * Büttcher, SIGIR 2009, k = 60).
 * @param lists ids, best first, none twice in one list
 * @returns a score an id, scaled so that the first of every list has 1
 */
export function reciprocalRankFusion(lists: readonly (readonly string[])[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const list of lists) {
    for (const [at, id] of list.entries()) sums.set(id, (sums.get(id) ?? 0) + (K + 1) / (K + at + 1));
  }
  for (const [id, sum] of sums) sums.set(id, sum / lists.length);
  return sums;
}
