// What a ranking is worth. Pure, so that the bench and its tests count alike.

/** 3 answers the query, 2 a part of it, 1 is only related, another edition, or in another language than the query's; what is not judged is 0. */
export type Judgements = Readonly<Record<string, number>>;

export const NDCG_DEPTH = 10;
export const RECALL_DEPTH = 5;
/** From here on a document counts as found or missed; what is only related does not. */
export const RELEVANT_GRADE = 2;

export interface Figures {
  ndcg: number;
  recall: number;
}

/** @param byClass by the class of query */
export interface ModeFigures {
  overall: Figures;
  byClass: Record<string, Figures>;
}

const discountedGain = (grades: readonly number[]): number => grades.reduce((sum, grade, at) => sum + (2 ** grade - 1) / Math.log2(at + 2), 0);

/**
 * Normalised discounted cumulative gain with gains 2^grade - 1 and discounts log2(rank + 1): Järvelin and Kekäläinen, ACM TOIS 2002, in the form of
 * Burges et al., ICML 2005.
 * @param ranked ids of documents, best first, none twice
 * @returns 0 to 1; 0 when nothing is relevant
 */
export function ndcg(ranked: readonly string[], judgements: Judgements, depth: number): number {
  const best = discountedGain(Object.values(judgements).sort((a, b) => b - a).slice(0, depth));
  return best === 0 ? 0 : discountedGain(ranked.slice(0, depth).map((id) => judgements[id] ?? 0)) / best;
}

/**
 * The share of the relevant documents that stand among the first.
 * @returns 0 to 1; 0 when nothing is relevant
 */
export function recall(ranked: readonly string[], judgements: Judgements, depth: number, relevantGrade: number): number {
  const relevant = Object.keys(judgements).filter((id) => judgements[id]! >= relevantGrade);
  const first = new Set(ranked.slice(0, depth));
  return relevant.length === 0 ? 0 : relevant.filter((id) => first.has(id)).length / relevant.length;
}

/** Documents by their best chunk. Equal scores by name: the server puts them by their ids, which differ from run to run. */
export function rankDocuments(hits: readonly { document: string; score: number }[]): string[] {
  const best = new Map<string, number>();
  for (const { document, score } of hits) best.set(document, Math.max(score, best.get(document) ?? -Infinity));
  return [...best].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1)).map(([document]) => document);
}

export function figuresOf(ranked: readonly string[], judgements: Judgements): Figures {
  return { ndcg: ndcg(ranked, judgements, NDCG_DEPTH), recall: recall(ranked, judgements, RECALL_DEPTH, RELEVANT_GRADE) };
}

function mean(figures: readonly Figures[]): Figures {
  const of = (key: keyof Figures) => Number((figures.reduce((sum, each) => sum + each[key], 0) / figures.length).toFixed(4));
  return { ndcg: of('ndcg'), recall: of('recall') };
}

/** Means over all queries and over those of each class, to four places. */
export function summarise(measured: readonly { class: string; figures: Figures }[]): ModeFigures {
  const byClass = Object.groupBy(measured, (query) => query.class);
  return {
    overall: mean(measured.map(({ figures }) => figures)),
    byClass: Object.fromEntries(Object.entries(byClass).map(([name, queries]) => [name, mean(queries!.map(({ figures }) => figures))])),
  };
}

/** @returns what fell overall by more than the tolerance; a class has too few queries to be held to it */
export function falls(before: Figures, now: Figures, tolerance: number): (keyof Figures)[] {
  return (['ndcg', 'recall'] as const).filter((key) => before[key] - now[key] > tolerance);
}
