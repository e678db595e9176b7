import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { LanceDbStore } from '../../src/databases/vector-stores/lancedb.store.js';
import { decodePoints, encodePoints } from '../../src/databases/vector-stores/point-files.js';
import type { VectorPoint } from '../../src/databases/vector-stores/vector-store.js';

const scope = { tenantId: 't', documentId: 'd', version: 1 };
const point = (index: number): VectorPoint => ({ ...scope, id: `id-${index}`, index, text: `word${index % 7}`, vector: Float32Array.of(index, 1, -index) });
/** Of more than one page. */
const POINTS = Array.from({ length: 5000 }, (_, index) => point(index));

describe('everything in a collection', () => {
  let directory: string;
  let store: LanceDbStore;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'morag-contents-'));
    store = await LanceDbStore.open({ directory, logger: console, sweeps: false });
    await store.ensureCollection('from', { dimensions: 3, distance: 'euclidean' });
    await store.replaceDocument('from', scope, POINTS);
    await store.replaceDocument('from', { ...scope, documentId: 'gone' }, [{ ...point(0), documentId: 'gone', id: 'gone' }]);
    await store.deleteDocument('from', { tenantId: 't', documentId: 'gone' });
  });
  afterAll(async () => {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });

  const { signal } = new AbortController();
  const pointsOf = (collection: string) =>
    store.readAll(collection, signal, async ({ pages, ...options }) => ({ ...options, points: (await Readable.from(pages).toArray()).flat().toSorted((a: VectorPoint, b: VectorPoint) => a.index - b.index) as VectorPoint[] }));

  it('is read, and makes another one that has the same and finds the same', async () => {
    await store.readAll('from', signal, (contents) => store.fill('to', { ...contents, pages: decodePoints(Readable.from(encodePoints(contents.pages, contents.dimensions))) }));
    expect(await pointsOf('to')).toEqual({ dimensions: 3, distance: 'euclidean', points: POINTS });
    const query = { tenantId: 't', mode: 'hybrid', text: 'word3', vector: Float32Array.of(10, 1, -10), limit: 5 } as const;
    // Scores of words depend a little on which rows are in the index by then.
    const found = async (name: string) => (await store.search(name, query)).map(({ id, scores }) => [id, scores.vector, scores.keyword?.toFixed(2)]);
    expect(await found('to')).toEqual(await found('from'));
  });

  it('is nothing where there is no collection', async () => {
    expect(await store.readAll('none', signal, async () => 'read')).toBeUndefined();
  });
});
