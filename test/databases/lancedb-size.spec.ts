import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type IndexConfig } from '@lancedb/lancedb';
import { LanceDbStore } from '../../src/databases/vector-stores/lancedb.store.js';
import { pointId } from '../../src/databases/vector-stores/point-id.js';
import type { VectorPoint } from '../../src/databases/vector-stores/vector-store.js';
import { Random } from '../chaos/random.js';
import { eventually } from '../support/factories.js';

const DIMENSIONS = 64;
const LARGE = 'tenant-large';
const SMALL = 'tenant-small';
const PER_DOCUMENT = 2500;
const TOPICS = 300;
const QUERIES = 20;

const numbers = new Random(11);
const random = () => numbers.below(2 ** 32) / 2 ** 32;
const around = (centre: readonly number[], spread: number) => Float32Array.from(centre, (value) => value + spread * (2 * random() - 1));
const topics = Array.from({ length: TOPICS }, () => [...around(Array.from({ length: DIMENSIONS }, () => 0), 1)]);
/** As embeddings are: near what is about the same. */
const vector = () => around(topics[Math.floor(random() * TOPICS)]!, 0.7);

function documentOf(documentId: string, tenantId: string, count: number): VectorPoint[] {
  return Array.from({ length: count }, (_, index) => ({ id: pointId(documentId, 1, index), vector: vector(), text: `apple ${index}`, tenantId, documentId, version: 1, index }));
}

/** Of the cosine, by the length of `b` alone: that of `a` changes no order. */
function likeness(a: Float32Array, b: Float32Array): number {
  let product = 0;
  let squares = 0;
  for (let at = 0; at < DIMENSIONS; at += 1) {
    product += a[at]! * b[at]!;
    squares += b[at]! ** 2;
  }
  return product / Math.sqrt(squares);
}

describe('LanceDbStore by size', () => {
  const points: VectorPoint[] = [];
  const warnings: string[] = [];
  let directory: string;
  let store: LanceDbStore;
  const open = (keptVersionsMs?: number) => LanceDbStore.open({ directory, logger: { warn: (message) => void warnings.push(message) }, ...(keptVersionsMs === undefined ? {} : { keptVersionsMs }) });

  async function write(target: LanceDbStore, collection: string, documentId: string, tenantId: string, count: number): Promise<void> {
    const written = documentOf(documentId, tenantId, count);
    await target.replaceDocument(collection, { tenantId, documentId, version: 1 }, written);
    if (collection === 'sized') points.push(...written);
  }

  async function table(name: string) {
    return (await connect(directory, { readConsistencyInterval: 0 })).openTable(name);
  }

  const indexOf = async (name: string, column: string): Promise<IndexConfig | undefined> =>
    (await (await table(name)).listIndices()).find(({ columns }) => columns[0] === column);

  /** Maintenance runs in the background, one round at a time. */
  const until = (isSo: () => Promise<boolean>) => eventually(isSo, (is) => is);

  async function recallOf(tenantId: string, documentIds?: string[]): Promise<number> {
    const own = points.filter((point) => point.tenantId === tenantId && (documentIds?.includes(point.documentId) ?? true));
    let found = 0;
    for (let query = 0; query < QUERIES; query += 1) {
      const asked = vector();
      const scores = Float64Array.from(own, (point) => likeness(asked, point.vector));
      const tenth = scores.toSorted().at(-10)!;
      const nearest = own.filter((_, at) => scores[at]! >= tenth);
      const hits = await store.search('sized', { tenantId, mode: 'vector', text: '', vector: asked, limit: 10, ...(documentIds ? { documentIds } : {}) });
      found += nearest.filter(({ id }) => hits.some((hit) => hit.id === id)).length;
    }
    return found / (10 * QUERIES);
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'morag-size-'));
    store = await open();
    await store.ensureCollection('sized', { dimensions: DIMENSIONS });
    await write(store, 'sized', 'small', SMALL, 50);
    for (let at = 0; at < 10; at += 1) await write(store, 'sized', `large-${at}`, LARGE, PER_DOCUMENT);
  });

  afterAll(async () => {
    await store.close();
    expect(warnings).toEqual([]);
    await rm(directory, { recursive: true });
  });

  it('gets an index for its vectors in the background once it is large, and finds what comparing all of them finds', async () => {
    await until(async () => {
      await store.maintain();
      return (await indexOf('sized', 'vector')) !== undefined;
    });
    expect((await indexOf('sized', 'vector'))!.indexType).toMatch(/ivf_?flat/i);
    expect(await recallOf(SMALL)).toBe(1);
    expect(await recallOf(LARGE)).toBeGreaterThanOrEqual(0.99);
    expect(await recallOf(LARGE, ['large-3', 'large-5'])).toBe(1);
  });

  it('finds what was written since the index was made', async () => {
    await write(store, 'sized', 'later', LARGE, 10);
    const later = points.at(-1)!;
    const [first] = await store.search('sized', { tenantId: LARGE, mode: 'vector', text: '', vector: later.vector, limit: 10 });
    expect(first!.id).toBe(later.id);
  });

  it('makes the index anew when its rows have doubled', async () => {
    const before = (await indexOf('sized', 'vector'))!.createdAt;
    const indexedAt = async () => Number((await (await table('sized')).schema()).fields.find(({ name }) => name === 'vector')!.metadata.get('indexed_at_rows'));
    const rows = await indexedAt();
    for (let at = 10; points.length < 2 * rows; at += 1) await write(store, 'sized', `large-${at}`, LARGE, PER_DOCUMENT);
    await until(async () => {
      await store.maintain();
      return (await indexedAt()) >= 2 * rows;
    });
    expect((await indexOf('sized', 'vector'))!.createdAt!.getTime()).toBeGreaterThan(before!.getTime());
    expect(await recallOf(SMALL)).toBe(1);
    expect(await recallOf(LARGE)).toBeGreaterThanOrEqual(0.99);
  });

  it('puts new texts into the index when many processes wrote a little each, and leaves a small table without one for vectors', async () => {
    await store.ensureCollection('shared', { dimensions: DIMENSIONS });
    const writers = await Promise.all(Array.from({ length: 5 }, () => open()));
    for (let at = 0; at < 25; at += 1) await write(writers[at % 5]!, 'shared', `document-${at}`, LARGE, 3);
    await until(async () => (await indexOf('shared', 'text'))!.numIndexedRows! >= 60);
    expect(await indexOf('shared', 'vector')).toBeUndefined();
    await Promise.all(writers.map((writer) => writer.close()));
  });

  it('gives back the disk that old versions took, whoever wrote them, even when nobody writes any more', async () => {
    await store.ensureCollection('rewritten', { dimensions: DIMENSIONS });
    const writer = await open();
    for (let at = 0; at < 15; at += 1) await write(writer, 'rewritten', 'same', LARGE, 20);
    await writer.close();
    const restarted = await open(0);
    await restarted.maintain();
    expect((await (await table('rewritten')).listVersions()).length).toBeLessThanOrEqual(5);
    expect(await restarted.count('rewritten', LARGE)).toBe(20);
    await restarted.close();
  });

  it('leaves the work to the process that is at it, and takes it over from one that died', async () => {
    await store.ensureCollection('leased', { dimensions: DIMENSIONS });
    await write(store, 'leased', 'a', LARGE, 5);
    const lease = join(directory, 'leased.lance', '.maintenance');
    await writeFile(lease, '');
    await store.maintain();
    expect((await indexOf('leased', 'text'))!.numUnindexedRows).toBe(5);
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(lease, longAgo, longAgo);
    await store.maintain();
    expect((await indexOf('leased', 'text'))!.numUnindexedRows).toBe(0);
    expect((await readdir(join(directory, 'leased.lance'))).filter((name) => name.startsWith('.'))).toEqual([]);
    await store.dropCollection('leased');
    expect(await readdir(directory)).not.toContain('leased.lance');
  });

  it('says nothing and stays usable when all its vectors are alike', async () => {
    await store.ensureCollection('alike', { dimensions: 2 });
    for (const [documentId, value] of [['zero', 0], ['one', 1]] as const) {
      const alike = Array.from({ length: 12_000 }, (_, index) => ({ id: pointId(documentId, 1, index), vector: new Float32Array(2).fill(value), text: 'apple', tenantId: LARGE, documentId, version: 1, index }));
      await store.replaceDocument('alike', { tenantId: LARGE, documentId, version: 1 }, alike);
    }
    await until(async () => {
      await store.maintain();
      return (await indexOf('alike', 'vector')) !== undefined;
    });
    const hits = await store.search('alike', { tenantId: LARGE, mode: 'vector', text: '', vector: new Float32Array(2).fill(1), limit: 10 });
    expect(hits).toHaveLength(10);
    expect(hits[0]!.score).toBeCloseTo(1, 5);
  });
});
