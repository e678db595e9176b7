import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@lancedb/lancedb';
import { falls, figuresOf, ndcg, NDCG_DEPTH, rankDocuments, recall, RELEVANT_GRADE, summarise } from '../../bench/relevance/metrics.js';
import { CLASSES, MODES, readBaseline, readRelevanceSet, TOLERANCE, type Baseline, type RelevanceSet } from '../../bench/relevance/relevance-set.js';
import { LanceDbStore } from '../../src/databases/vector-stores/lancedb.store.js';
import { pointId } from '../../src/databases/vector-stores/point-id.js';
import { chunk } from '../../src/documents/ingestion/chunking/chunker.js';
import { extract } from '../../src/documents/ingestion/extractors/markdown.extractor.js';
import { HashEmbedder } from '../../src/embeddings/hash.embedder.js';

const DIRECTORY = join(import.meta.dirname, '../../bench/relevance');
const TENANT = 'tenant-1';
const COLLECTION = 'relevance';

let set: RelevanceSet;
let baseline: Baseline;

beforeAll(async () => {
  [set, baseline] = await Promise.all([readRelevanceSet(DIRECTORY), readBaseline(DIRECTORY)]);
});

describe('the measures', () => {
  it('give 1 to the best order and less to every other', () => {
    const judgements = { a: 3, b: 2, c: 1 };
    expect(ndcg(['a', 'b', 'c', 'x'], judgements, 10)).toBe(1);
    expect(ndcg(['b', 'a', 'c'], judgements, 10)).toBeCloseTo((3 + 7 / Math.log2(3) + 1 / 2) / (7 + 3 / Math.log2(3) + 1 / 2));
    expect(ndcg(['x', 'a'], { a: 3 }, 10)).toBeCloseTo(1 / Math.log2(3));
  });

  it('look no deeper than they say', () => {
    expect(ndcg(['x', 'a'], { a: 3 }, 1)).toBe(0);
    // Only one of both fits into a depth of one, so that one is the best there can be.
    expect(ndcg(['a'], { a: 3, b: 3 }, 1)).toBe(1);
    expect(recall(['x', 'a'], { a: 3 }, 1, 2)).toBe(0);
  });

  it('do not miss what is only related', () => {
    expect(recall(['a', 'x'], { a: 3, b: 2, c: 1 }, 5, 2)).toBe(0.5);
    expect(recall([], { c: 1 }, 5, 2)).toBe(0);
    expect(ndcg([], {}, 10)).toBe(0);
  });

  it('take a document for its best chunk, and equal ones by name', () => {
    const hits = [{ document: 'b', score: 2 }, { document: 'a', score: 2 }, { document: 'c', score: 1 }, { document: 'c', score: 3 }];
    expect(rankDocuments(hits)).toEqual(['c', 'a', 'b']);
  });

  it('are means over the queries and over those of a class', () => {
    const summary = summarise([{ class: 'x', figures: { ndcg: 1, recall: 1 } }, { class: 'x', figures: { ndcg: 0, recall: 1 } }, { class: 'y', figures: { ndcg: 0, recall: 0 } }]);
    expect(summary).toEqual({ overall: { ndcg: 0.3333, recall: 0.6667 }, byClass: { x: { ndcg: 0.5, recall: 1 }, y: { ndcg: 0, recall: 0 } } });
  });

  it('notice a fall beyond the tolerance, and no rise', () => {
    expect(falls({ ndcg: 0.8, recall: 0.8 }, { ndcg: 0.79, recall: 0.9 }, 0.005)).toEqual(['ndcg']);
    expect(falls({ ndcg: 0.8, recall: 0.8 }, { ndcg: 0.797, recall: 0.79 }, 0.005)).toEqual(['recall']);
    expect(falls({ ndcg: 0.8, recall: 0.8 }, { ndcg: 0.9, recall: 0.8 }, 0.005)).toEqual([]);
  });
});

describe('the relevance set', () => {
  it('is large enough, and no text or query is in it twice', () => {
    expect(set.documents.length).toBeGreaterThanOrEqual(60);
    expect(set.queries.length).toBeGreaterThanOrEqual(40);
    expect(new Set(set.documents.map(({ text }) => text)).size).toBe(set.documents.length);
    expect(new Set(set.queries.map(({ id }) => id)).size).toBe(set.queries.length);
    expect(new Set(set.queries.map(({ query }) => query)).size).toBe(set.queries.length);
  });

  it('has queries of every class and of no other', () => {
    expect(new Set(set.queries.map((query) => query.class))).toEqual(new Set(CLASSES));
  });

  it('judges documents that exist, in whole grades from 1 to 3', () => {
    const names = new Set(set.documents.map(({ name }) => name));
    for (const { id, judgements } of set.queries) {
      expect({ id, missing: Object.keys(judgements).filter((name) => !names.has(name)) }).toEqual({ id, missing: [] });
      expect({ id, wrong: Object.values(judgements).filter((grade) => ![1, 2, 3].includes(grade)) }).toEqual({ id, wrong: [] });
    }
  });

  it('has something to find for every query, and for every document a query that judges it', () => {
    expect(set.queries.filter(({ judgements }) => !Object.values(judgements).some((grade) => grade >= RELEVANT_GRADE))).toEqual([]);
    const judged = new Set(set.queries.flatMap(({ judgements }) => Object.keys(judgements)));
    expect(set.documents.filter(({ name }) => !judged.has(name)).map(({ name }) => name)).toEqual([]);
  });
});

describe('what is found of it by the built-in embedder and store', () => {
  const embedder = new HashEmbedder();
  let directory: string;
  let store: LanceDbStore;
  let pieces = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'morag-relevance-'));
    store = await LanceDbStore.open({ directory, logger: console });
    await store.ensureCollection(COLLECTION, { dimensions: embedder.dimensions });
    for (const { name, text } of set.documents) {
      const chunks = chunk(extract(Buffer.from(text)), { chunkSize: 2000, chunkOverlap: 200, chunkingStrategy: 'recursive', maxTokens: embedder.maxInputTokens });
      const vectors = await embedder.embedDocuments(chunks.map((each) => each.text));
      const scope = { tenantId: TENANT, documentId: name, version: 1 };
      pieces += chunks.length;
      await store.replaceDocument(COLLECTION, scope, chunks.map((each, at) => ({ ...scope, id: pointId(name, 1, each.index), vector: vectors[at]!, text: each.text, index: each.index })));
    }
    await store.close();
    // As the bench does: BM25 counts the rows that are not in the index yet by themselves.
    const table = await (await connect(directory)).openTable(COLLECTION);
    await table.optimize();
    store = await LanceDbStore.open({ directory, logger: console });
  });

  afterAll(async () => {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('comes from documents of which some are cut into several pieces', () => expect(pieces).toBeGreaterThan(set.documents.length));

  it.each(MODES)('is by %s no less than the baseline', async (mode) => {
    const measured = [];
    for (const { class: name, query, judgements } of set.queries) {
      const vector = await embedder.embedQuery(query);
      const hits = await store.search(COLLECTION, { tenantId: TENANT, mode, text: query, vector, limit: 5 * NDCG_DEPTH });
      const ranked = rankDocuments(hits.map(({ documentId, score }) => ({ document: documentId, score })));
      measured.push({ class: name, ranked, figures: figuresOf(ranked, judgements) });
    }
    const { overall } = summarise(measured);
    expect({ overall, fallen: falls(baseline[mode].overall, overall, TOLERANCE) }).toEqual({ overall, fallen: [] });
  });
});
