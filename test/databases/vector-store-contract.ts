import { randomUUID } from 'node:crypto';
import { pointId } from '../../src/databases/vector-stores/point-id.js';
import {
  CollectionMissing,
  InvalidCollectionName,
  InvalidPoints,
  KeywordNotSupported,
  VectorDimensionMismatch,
  VectorDistanceMismatch,
} from '../../src/databases/vector-stores/vector-store.errors.js';
import type { Capacities, Distance, VectorPoint, VectorQuery, VectorStore } from '../../src/databases/vector-stores/vector-store.js';

const DIMENSIONS = 8;
const TENANT = 'tenant-1';

/** A vector that points at `angle`, in a plane of its own for each `plane`. */
function direction(angle: number, plane = 0): Float32Array {
  const vector = new Float32Array(DIMENSIONS);
  vector[plane * 2] = Math.cos(angle);
  vector[plane * 2 + 1] = Math.sin(angle);
  return vector;
}

function pointsOf(documentId: string, texts: string[], options: { version?: number; tenantId?: string; plane?: number } = {}): VectorPoint[] {
  const { version = 1, tenantId = TENANT, plane = 0 } = options;
  return texts.map((text, index) => {
    const vector = direction(index / 10, plane);
    return { id: pointId(documentId, version, index), vector, text, tenantId, documentId, version, index };
  });
}

/** Numbers between -1 and 1, the same in every run (Mulberry32). */
function randomVectors(count: number, seed: number): Float32Array[] {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
  return Array.from({ length: count }, () => Float32Array.from({ length: DIMENSIONS }, next));
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, at) => sum + value * y[at]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/**
 * The promises of VectorStore, for each adapter.
 * @param capacities what the adapter states of itself, which decides what is asked of it
 * @param open a further handle on the same, fresh storage of this run
 */
export function vectorStoreContract(name: string, capacities: Capacities, open: () => Promise<VectorStore>): void {
  const modes = capacities.keyword ? (['keyword', 'vector', 'hybrid'] as const) : (['vector', 'hybrid'] as const);

  describe(name, () => {
    let store: VectorStore;
    let collection: string;
    const scope = (documentId: string, tenantId = TENANT) => ({ tenantId, documentId });
    const versionOf = (documentId: string, version = 1, tenantId = TENANT) => ({ tenantId, documentId, version });
    const replace = (documentId: string, points: VectorPoint[], version = points[0]?.version ?? 1) => store.replaceDocument(collection, versionOf(documentId, version), points);
    const query = (options: Partial<VectorQuery>): VectorQuery => ({ tenantId: TENANT, mode: 'vector', text: '', vector: direction(0), limit: 10, ...options });
    const search = (options: Partial<VectorQuery>) => store.search(collection, query(options));
    const found = async (options: Partial<VectorQuery>) =>
      (await search(options)).map(({ documentId, version, index }) => `${documentId} v${version} #${index}`);
    /** Everything the tenant has, which a search by vector orders and does not choose. */
    const held = async (options: Partial<VectorQuery> = {}) => (await found({ limit: 1000, ...options })).toSorted();
    /** What the words of `text` find, in any order; `expected` itself where a store keeps no words. */
    const matching = async (text: string, expected: string[], options: Partial<VectorQuery> = {}) =>
      capacities.keyword ? (await found({ mode: 'keyword', text, limit: 1000, ...options })).toSorted() : expected;
    const expectHeld = async (expected: string[], text: string, options: Partial<VectorQuery> = {}) => {
      expect(await held(options)).toEqual(expected);
      expect(await matching(text, expected, options)).toEqual(expected);
    };

    beforeAll(async () => (store = await open()));
    afterAll(() => store.close());
    beforeEach(async () => {
      collection = `c_${randomUUID()}`;
      await store.ensureCollection(collection, { dimensions: DIMENSIONS });
    });

    it('writes the same points twice as once', async () => {
      const points = pointsOf('a', ['red apple', 'green pear']);
      await replace('a', points);
      await replace('a', points);
      expect(await store.count(collection, TENANT)).toBe(2);
      await expectHeld(['a v1 #0', 'a v1 #1'], 'apple pear');
      expect(await matching('apple', ['a v1 #0'])).toEqual(['a v1 #0']);
    });

    it('removes every collection whose name begins alike, however long, and no other', async () => {
      const prefix = `user_${randomUUID()}_`;
      const names = [`${prefix}a`, `${prefix}default`, `${prefix}${'x'.repeat(63)}`, prefix, `${prefix}${'y'.repeat(200)}`];
      const others = [`user_${randomUUID()}_default`, prefix.slice(0, -1), `x${prefix}a`];
      for (const name of [...names, ...others]) await store.ensureCollection(name, { dimensions: DIMENSIONS });
      for (const name of [names[0]!, others[0]!]) await store.replaceDocument(name, versionOf('a'), pointsOf('a', ['red apple']));
      expect(await store.dropCollections(prefix)).toBe(names.length);
      expect(await store.dropCollections(prefix)).toBe(0);
      expect(await store.count(names[0]!, TENANT)).toBe(0);
      for (const name of names) await expect(store.replaceDocument(name, versionOf('a'), pointsOf('a', ['x']))).rejects.toBeInstanceOf(CollectionMissing);
      expect(await store.count(others[0]!, TENANT)).toBe(1);
      for (const name of others) await store.replaceDocument(name, versionOf('a'), pointsOf('a', ['red apple']));
      for (const wrong of ['', 'user_%', 'a/b', 'x'.repeat(101)]) await expect(store.dropCollections(wrong)).rejects.toBeInstanceOf(InvalidCollectionName);
    });

    it('replaces one version and leaves the others as they are', async () => {
      await replace('a', pointsOf('a', ['red apple', 'green pear', 'blue plum']));
      await replace('b', pointsOf('b', ['another apple']));
      await replace('a', pointsOf('a', ['yellow lemon'], { version: 2 }));
      expect(await store.count(collection, TENANT)).toBe(5);
      await replace('a', pointsOf('a', ['one apple']));
      await expectHeld(['a v1 #0', 'a v2 #0', 'b v1 #0'], 'apple pear plum lemon');
      await replace('a', [], 1);
      await expectHeld(['a v2 #0', 'b v1 #0'], 'apple lemon');
    });

    it('deletes the versions that are named, and none that was begun later', async () => {
      for (const version of [1, 2, 3, 4]) await replace('a', pointsOf('a', ['apple', 'pear'], { version }));
      await replace('b', pointsOf('b', ['apple']));
      await store.deleteDocument(collection, scope('a'), { upTo: 3, except: [2] });
      await expectHeld(['a v2 #0', 'a v2 #1', 'a v4 #0', 'a v4 #1', 'b v1 #0'], 'apple pear');
      await store.deleteDocument(collection, scope('a'), { upTo: 0 });
      await store.deleteDocument(collection, scope('a'), { except: [2, 4, 7] });
      expect(await store.count(collection, TENANT)).toBe(5);
      await store.deleteDocument(collection, scope('a'), { except: [4] });
      await expectHeld(['a v4 #0', 'a v4 #1', 'b v1 #0'], 'apple pear');
      await expect(store.deleteDocument(collection, scope('a'), { upTo: Number.NaN })).rejects.toThrow(TypeError);
      await store.deleteDocument(collection, scope('a'));
      await expectHeld(['b v1 #0'], 'apple');
    });

    it('shrinks and grows a document within one version', async () => {
      await replace('a', pointsOf('a', ['one', 'two', 'three']));
      await replace('a', pointsOf('a', ['uno']));
      await expectHeld(['a v1 #0'], 'one two three uno');
      await replace('a', pointsOf('a', ['uno', 'due']));
      expect(await store.count(collection, TENANT)).toBe(2);
    });

    it('deletes one document and forgives deleting what is not there', async () => {
      await replace('a', pointsOf('a', ['apple']));
      await replace('b', pointsOf('b', ['apple']));
      await store.deleteDocument(collection, scope('a'));
      await store.deleteDocument(collection, scope('a'));
      await store.deleteDocument('never-created', scope('a'));
      await expectHeld(['b v1 #0'], 'apple');
    });

    it('refuses wrong points before anything is written', async () => {
      await replace('a', pointsOf('a', ['apple']));
      const [good, other] = pointsOf('a', ['pear', 'plum'], { version: 2 }) as [VectorPoint, VectorPoint];
      const wrong: [VectorPoint, new (...args: never[]) => Error][] = [
        [{ ...other, vector: new Float32Array(DIMENSIONS - 1) }, VectorDimensionMismatch],
        [{ ...other, vector: new Float32Array(DIMENSIONS + 1) }, VectorDimensionMismatch],
        [{ ...other, vector: new Float32Array(DIMENSIONS).fill(NaN) }, InvalidPoints],
        [{ ...other, tenantId: 'tenant-2' }, InvalidPoints],
        [{ ...other, documentId: 'b' }, InvalidPoints],
        [{ ...other, version: 3 }, InvalidPoints],
        [{ ...other, id: good.id }, InvalidPoints],
      ];
      for (const [bad, error] of wrong) await expect(replace('a', [good, bad])).rejects.toThrow(error);
      await expectHeld(['a v1 #0'], 'apple pear plum');
    });

    it('refuses a collection or a query of other dimensions', async () => {
      await store.ensureCollection(collection, { dimensions: DIMENSIONS });
      await expect(store.ensureCollection(collection, { dimensions: 4 })).rejects.toThrow(VectorDimensionMismatch);
      await expect(search({ mode: 'vector', vector: new Float32Array(4).fill(1) })).rejects.toThrow(VectorDimensionMismatch);
      for (const mode of ['vector', 'hybrid'] as const) {
        await expect(store.search(collection, { tenantId: TENANT, mode, text: 'apple', limit: 10 })).rejects.toThrow(TypeError);
      }
    });

    it.each(['', '.', '..', '../x', 'a/b', 'A', 'a b', 'é', 'x'.repeat(256)])('refuses the collection name %j', async (bad) => {
      await expect(store.ensureCollection(bad, { dimensions: 2 })).rejects.toThrow(InvalidCollectionName);
      await expect(store.search(bad, query({}))).rejects.toThrow(InvalidCollectionName);
      await expect(store.dropCollection(bad)).rejects.toThrow(InvalidCollectionName);
    });

    it('takes collection names of every allowed length', async () => {
      const [one, two] = [`${'x'.repeat(254)}1`, `${'x'.repeat(254)}2`];
      for (const long of [one, two]) await store.ensureCollection(long, { dimensions: DIMENSIONS });
      await store.replaceDocument(one, versionOf('a'), pointsOf('a', ['apple']));
      expect([await store.count(one, TENANT), await store.count(two, TENANT)]).toEqual([1, 0]);
      for (const long of [one, two]) await store.dropCollection(long);
    });

    it('finds nothing in a collection that is missing, and refuses to write there', async () => {
      await replace('a', pointsOf('a', ['apple']));
      await store.dropCollection(collection);
      await store.dropCollection(collection);
      await expectHeld([], 'apple');
      expect(await store.count(collection, TENANT)).toBe(0);
      await expect(replace('a', pointsOf('a', ['apple']))).rejects.toThrow(CollectionMissing);
      await store.ensureCollection(collection, { dimensions: 4 });
      expect(await store.count(collection, TENANT)).toBe(0);
    });

    it('keeps tenants apart even inside one collection', async () => {
      const foreign = pointsOf('a', ['secret apple'], { tenantId: 'tenant-2' });
      await replace('a', pointsOf('a', ['own apple']));
      await store.replaceDocument(collection, versionOf('a', 1, 'tenant-2'), foreign);
      expect([await store.count(collection, TENANT), await store.count(collection, 'tenant-2')]).toEqual([1, 1]);
      for (const mode of modes) {
        expect(await search({ mode, text: 'secret apple', vector: direction(0) })).toHaveLength(1);
        expect(await search({ mode, text: 'apple', vector: direction(0), tenantId: "x' OR '1'='1" })).toEqual([]);
      }
      await store.deleteDocument(collection, scope('a'));
      expect(await store.count(collection, 'tenant-2')).toBe(1);
    });

    it('gives a small tenant its results beside a huge one', async () => {
      const crowd = Array.from({ length: 400 }, () => 'apple apple apple');
      await store.replaceDocument(collection, versionOf('big', 1, 'tenant-2'), pointsOf('big', crowd, { tenantId: 'tenant-2' }));
      await replace('a', pointsOf('a', ['one apple among other fruit', 'an apple']));
      for (const mode of modes) {
        expect(await search({ mode, text: 'apple', vector: direction(0), limit: 2 })).toHaveLength(2);
      }
    });

    it('measures cosine similarity, whatever the length of the vectors', async () => {
      const [near, far] = pointsOf('a', ['x', 'y']) as [VectorPoint, VectorPoint];
      await replace('a', [{ ...near, vector: direction(0).map((value) => value * 7) }, { ...far, vector: direction(0, 1) }]);
      const hits = await search({ mode: 'vector', vector: direction(0) });
      expect(hits.map(({ index }) => index)).toEqual([0, 1]);
      expect(hits[0]!.score).toBeCloseTo(1, 5);
      expect(hits[1]!.score).toBeCloseTo(0, 5);
      expect(hits[0]!.scores).toEqual({ vector: hits[0]!.score });
      expect(hits[0]).toMatchObject({ id: near.id, documentId: 'a', version: 1, index: 0 });
    });

    it('states what it can do', () => expect(store.capacities).toEqual(capacities));

    it.each(capacities.distances)('orders by %s distance, and keeps to it', async (distance) => {
      const vectors = [[10, 10], [1.2, 0.3], [3, 0], [-2, 0]].map((numbers) => Float32Array.from({ length: DIMENSIONS }, (_, at) => numbers[at] ?? 0));
      const [asked, other] = [vectors[2]!.map((value) => value / 3), capacities.distances.find((each) => each !== distance)];
      const expected: Record<Distance, [order: number[], scores: number[]]> = {
        cosine: [[2, 1, 0, 3], [1, 1.2 / Math.hypot(1.2, 0.3), Math.SQRT1_2, -1]],
        dot: [[0, 2, 1, 3], [10, 3, 1.2, -2]],
        euclidean: [[1, 2, 3, 0], [1 / (1 + Math.hypot(0.2, 0.3)), 1 / 3, 1 / 4, 1 / (1 + Math.hypot(9, 10))]],
      };
      const name = `d_${randomUUID()}`;
      await store.ensureCollection(name, { dimensions: DIMENSIONS, distance });
      await store.replaceDocument(name, versionOf('a'), pointsOf('a', ['a', 'b', 'c', 'd']).map((point, at) => ({ ...point, vector: vectors[at]! })));
      const hits = await store.search(name, query({ vector: asked }));
      const [order, scores] = expected[distance];
      expect(hits.map(({ index }) => index)).toEqual(order);
      for (const [at, hit] of hits.entries()) {
        expect(hit.score).toBeCloseTo(scores[at]!, 4);
        expect(hit.scores).toEqual({ vector: hit.score });
      }
      await store.ensureCollection(name, { dimensions: DIMENSIONS, distance });
      if (other) await expect(store.ensureCollection(name, { dimensions: DIMENSIONS, distance: other })).rejects.toThrow(VectorDistanceMismatch);
    });

    it('finds the very nearest of a small tenant among thousands of another that are nearer', async () => {
      const asked = direction(0);
      const crowd = randomVectors(3_000, 1).map((vector) => vector.map((value, at) => asked[at]! + value / 20));
      const few = randomVectors(50, 2);
      for (let start = 0; start < crowd.length; start += 500) {
        const [id, vectors] = [`crowd-${start}`, crowd.slice(start, start + 500)];
        const points = pointsOf(id, vectors.map(() => 'apple'), { tenantId: 'tenant-2' }).map((point, at) => ({ ...point, vector: vectors[at]! }));
        await store.replaceDocument(collection, versionOf(id, 1, 'tenant-2'), points);
      }
      await replace('a', pointsOf('a', few.map(() => 'apple')).map((point, at) => ({ ...point, vector: few[at]! })));
      for (const vector of [asked, ...randomVectors(10, 3)]) {
        const nearest = few.map((_, index) => index).sort((a, b) => cosine(few[b]!, vector) - cosine(few[a]!, vector));
        expect((await search({ vector, limit: 10 })).map(({ index }) => index)).toEqual(nearest.slice(0, 10));
      }
    });

    if (capacities.keyword) {
      it('ranks hybrid hits by both lists, with 1 for the first of both', async () => {
        await replace('a', pointsOf('a', ['apple', 'nothing', 'a text that only once says apple, late and long']));
        const hits = await search({ mode: 'hybrid', text: 'apple', vector: direction(0) });
        expect(hits.map(({ index }) => index)).toEqual([0, 2, 1]);
        expect(hits[0]!.score).toBe(1);
        expect(hits[0]!.scores).toEqual({ vector: expect.any(Number), keyword: expect.any(Number) });
        expect(hits[2]!.scores).toEqual({ vector: expect.any(Number) });
      });

      it('searches by keyword across inflection, case, accents and scripts without spaces', async () => {
        await replace('a', pointsOf('a', ['Rotating the API keys', 'Ein Café in Zürich', '我们的数据库的安全性很重要', 'call get_user_name()']));
        expect(await found({ mode: 'keyword', text: 'rotate KEY' })).toEqual(['a v1 #0']);
        expect(await found({ mode: 'keyword', text: 'cafe zurich' })).toEqual(['a v1 #1']);
        expect(await found({ mode: 'keyword', text: '安全' })).toEqual(['a v1 #2']);
        expect(await found({ mode: 'keyword', text: 'user_name' })).toEqual(['a v1 #3']);
      });
    } else {
      it('refuses a search by keyword, and takes hybrid as by vector', async () => {
        await replace('a', pointsOf('a', ['apple', 'pear']));
        await expect(search({ mode: 'keyword', text: 'apple' })).rejects.toThrow(KeywordNotSupported);
        const byVector = await search({});
        expect(byVector.map(({ index }) => index)).toEqual([0, 1]);
        expect(await search({ mode: 'hybrid', text: 'pear' })).toEqual(byVector);
      });
    }

    it('limits a search to documents or leaves some out', async () => {
      for (const id of ['a', 'b', 'c']) await replace(id, pointsOf(id, ['apple']));
      for (const mode of modes) {
        const asked = { mode, text: 'apple', vector: direction(0) };
        expect((await found({ ...asked, documentIds: ['a', 'c', "'; x"] })).sort()).toEqual(['a v1 #0', 'c v1 #0']);
        expect((await found({ ...asked, excludeDocumentIds: ['a'] })).sort()).toEqual(['b v1 #0', 'c v1 #0']);
        expect(await found({ ...asked, documentIds: ['a'], excludeDocumentIds: ['a'] })).toEqual([]);
        expect(await found({ ...asked, documentIds: [] })).toEqual([]);
        expect(await found({ ...asked, excludeDocumentIds: [] })).toHaveLength(3);
      }
    });

    it('stores and finds text and ids of any kind', async () => {
      const ids = ["o'brien", '"quoted"', "' OR 1=1 --", 'back\\slash', '%_', 'ünï\n', '-'];
      for (const id of ids) await replace(id, pointsOf(id, [`apple '${id}' "x" \0 \u2028 😀 ${id}`, '']));
      for (const id of ids) {
        await replace(id, pointsOf(id, [`it's an apple`], { version: 2 }));
        await store.deleteDocument(collection, scope(id), { except: [2] });
        await expectHeld([`${id} v2 #0`], 'apple', { documentIds: [id] });
      }
      expect(await store.count(collection, TENANT)).toBe(ids.length);
      await store.deleteDocument(collection, scope("' OR 1=1 --"));
      expect(await store.count(collection, TENANT)).toBe(ids.length - 1);
    });

    it.each(['"', '"unclosed apple', '+apple -pear', 'text:apple', 'apple AND', '(apple', 'apple*', 'apple~2', '^apple', '\\', "'", '', ' ', '\0', '\ud800', '😀', '{"match":1}'])(
      'takes the query %j as plain words',
      async (text) => {
        await replace('a', pointsOf('a', ['apple']));
        const expected = text.includes('apple') ? ['a v1 #0'] : [];
        expect(await matching(text, expected)).toEqual(expected);
        expect(await found({ mode: 'hybrid', text })).toEqual(['a v1 #0']);
      },
    );

    it('takes a query of any length', async () => {
      await replace('a', pointsOf('a', ['apple']));
      for (const mode of modes) expect(await found({ mode, text: 'apple '.repeat(20_000) })).toEqual(['a v1 #0']);
    });

    it('orders equal scores by id, always, also at the edge of the limit', async () => {
      await replace('a', pointsOf('a', ['apple', 'apple', 'apple', 'apple', 'apple']).map((point) => ({ ...point, vector: direction(0) })));
      for (const mode of modes) {
        const ids = (await search({ mode, text: 'apple', vector: direction(0) })).map(({ id }) => id);
        expect(ids).toEqual([...ids].sort());
        const few = await search({ mode, text: 'apple', vector: direction(0), limit: 2 });
        expect(few.map(({ id }) => id)).toEqual(ids.slice(0, 2));
      }
    });

    it('finds what was written after many other writes, and what was written last', async () => {
      for (let at = 0; at < 45; at++) await replace(`d${at}`, pointsOf(`d${at}`, [`apple number${at}`]));
      expect(await matching('number0', ['d0 v1 #0'])).toEqual(['d0 v1 #0']);
      expect(await matching('number44', ['d44 v1 #0'])).toEqual(['d44 v1 #0']);
      for (const mode of modes) expect(await found({ mode, text: 'apple', limit: 100 })).toHaveLength(45);
    });

    it('holds 500 chunks of a document', async () => {
      const texts = Array.from({ length: 500 }, (_, at) => `chunk word${at}`);
      await replace('a', pointsOf('a', texts));
      expect(await store.count(collection, TENANT)).toBe(500);
      expect(await matching('word499', ['a v1 #499'])).toEqual(['a v1 #499']);
      expect(await search({ mode: 'vector', vector: direction(3), limit: 100 })).toHaveLength(100);
      await replace('a', pointsOf('a', texts.slice(1)));
      expect(await store.count(collection, TENANT)).toBe(499);
    });

    it('loses nothing when documents are written at once, through two handles', async () => {
      const second = await open();
      const documents = Array.from({ length: 60 }, (_, at) => `d${at}`);
      const handle = (at: number) => (at % 2 ? second : store);
      await Promise.all(documents.map((id, at) => handle(at).replaceDocument(collection, versionOf(id), pointsOf(id, ['apple', 'pear']))));
      await Promise.all(
        documents.flatMap((id, at) =>
          at % 3 === 0
            ? [handle(at).deleteDocument(collection, scope(id))]
            : [
                handle(at + 1).replaceDocument(collection, versionOf(id, 2), pointsOf(id, ['plum'], { version: 2 })),
                handle(at).deleteDocument(collection, scope(id), { upTo: 1 }),
              ],
        ),
      );
      for (const one of [store, second]) expect(await one.count(collection, TENANT)).toBe(40);
      const kept = documents.filter((_, at) => at % 3 !== 0).map((id) => `${id} v2 #0`);
      await expectHeld(kept.toSorted(), 'plum');
      expect(await matching('apple pear', [])).toEqual([]);
      await second.close();
    });

    it('shows each handle what the other has done', async () => {
      const second = await open();
      const seen = () => second.search(collection, query({}));
      await replace('a', pointsOf('a', ['apple']));
      expect(await seen()).toHaveLength(1);
      await replace('b', pointsOf('b', ['apple']));
      expect(await seen()).toHaveLength(2);
      await second.deleteDocument(collection, scope('a'));
      await expectHeld(['b v1 #0'], 'apple');
      await store.dropCollection(collection);
      expect(await seen()).toEqual([]);
      await store.ensureCollection(collection, { dimensions: DIMENSIONS });
      await replace('c', pointsOf('c', ['apple']));
      expect((await seen()).map(({ documentId }) => documentId)).toEqual(['c']);
      await second.close();
    });

    it('creates a collection once when everyone asks at once', async () => {
      const second = await open();
      const fresh = `f_${randomUUID()}`;
      await Promise.all([store, second, store, second].map((one) => one.ensureCollection(fresh, { dimensions: DIMENSIONS })));
      await second.replaceDocument(fresh, versionOf('a'), pointsOf('a', ['apple']));
      expect(await store.search(fresh, query({}))).toHaveLength(1);
      await second.close();
    });

    it('keeps each point once when a worker that lost the document writes it at the same moment as the one that has it', async () => {
      const others = await Promise.all([open(), open()]);
      const points = pointsOf('a', Array.from({ length: 500 }, (_, at) => `apple ${at}`));
      await Promise.all([store, ...others].map((handle) => handle.replaceDocument(collection, versionOf('a'), points)));
      expect(await store.count(collection, TENANT)).toBe(points.length);
      const ids = (await search({ limit: 1000 })).map(({ id }) => id);
      expect(ids.toSorted()).toEqual(points.map(({ id }) => id).toSorted());
      await Promise.all(others.map((handle) => handle.close()));
    });

    it('answers a ping', async () => expect((await store.ping()).latencyMs).toBeGreaterThanOrEqual(0));
  });
}
