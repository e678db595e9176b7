// The documents and judged queries as they lie beside this file.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Judgements, ModeFigures } from './metrics.js';

export const CLASSES = [
  'exact-term', 'name', 'number', 'paraphrase', 'typo', 'morphology', 'question', 'german', 'french', 'spanish', 'non-latin', 'distractor', 'one-word',
] as const;
export const MODES = ['keyword', 'vector', 'hybrid'] as const;
/** Less than one query. The ranking is the same each time but for equal scores, which the store puts by ids of its own: they move a figure by less than 0.001. */
export const TOLERANCE = 0.005;

export interface JudgedQuery {
  id: string;
  class: string;
  query: string;
  /** By the name of a document. */
  judgements: Judgements;
}

export interface RelevanceSet {
  /** Markdown, named by its file without `.md`; by name. */
  documents: { name: string; text: string }[];
  queries: JudgedQuery[];
}

export type Baseline = Record<(typeof MODES)[number], ModeFigures>;

/** @param directory that of this file, which jest and node name differently */
export async function readRelevanceSet(directory: string): Promise<RelevanceSet> {
  const files = (await readdir(join(directory, 'documents'))).filter((file) => file.endsWith('.md')).sort();
  const documents = files.map(async (file) => ({ name: file.replace(/\.md$/, ''), text: await readFile(join(directory, 'documents', file), 'utf8') }));
  const lines = (await readFile(join(directory, 'queries.jsonl'), 'utf8')).trim().split('\n');
  return { documents: await Promise.all(documents), queries: lines.map((line) => JSON.parse(line) as JudgedQuery) };
}

/** @throws when there is none yet */
export async function readBaseline(directory: string): Promise<Baseline> {
  return JSON.parse(await readFile(join(directory, 'baseline.json'), 'utf8')) as Baseline;
}
