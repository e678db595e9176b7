import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Schemas } from '@qdrant/js-client-rest';
import { pointId } from '../../src/databases/vector-stores/point-id.js';
import { replacement } from '../../src/databases/vector-stores/qdrant.requests.js';
import { QdrantStore, type QdrantOptions } from '../../src/databases/vector-stores/qdrant.store.js';
import { VectorServerFailure } from '../../src/databases/vector-stores/remote-failure.js';
import { DISTANCES, type VectorPoint } from '../../src/databases/vector-stores/vector-store.js';
import { Outbound } from '../../src/outbound/outbound.js';
import { QdrantStub, describeWithQdrantApi } from '../support/qdrant-stub.js';
import { vectorStoreContract } from './vector-store-contract.js';

const capacities = { keyword: true, maxDimensions: 65_536, distances: DISTANCES };
const outbound = new Outbound({ allow: ['127.0.0.1'] });
const open = (options: Partial<QdrantOptions>) => QdrantStore.open({ url: '', outbound, ...options });

/** What a promise fails with, when that is a VectorServerFailure. */
async function failureOf(work: Promise<unknown>): Promise<VectorServerFailure> {
  const error: unknown = await work.then(() => undefined, (cause: unknown) => cause);
  if (error instanceof VectorServerFailure) return error;
  throw new Error('not the failure of a server', { cause: error });
}

function pointsOf(tenantId: string, documentId: string, texts: readonly string[], vector = new Float32Array([1])): VectorPoint[] {
  return texts.map((text, index) => ({ id: pointId(documentId, 1, index), vector, text, tenantId, documentId, version: 1, index }));
}

describeWithQdrantApi('against a model of Qdrant, which shows that requests are well-formed and not how a real server ranks:', () => {
  let stub: QdrantStub;
  let store: QdrantStore;
  let collection: string;
  const scope = (tenantId = 'tenant-1') => ({ tenantId, documentId: 'a', version: 1 });
  const scoreOf = async (text: string, searched = store) => (await searched.search(collection, { tenantId: 'tenant-1', mode: 'keyword', text, limit: 1 }))[0]?.score;

  beforeAll(async () => {
    stub = await QdrantStub.start();
    store = await open({ url: `${stub.url}/` });
  });
  beforeEach(() => (collection = `c_${randomUUID()}`));
  afterAll(() => stub.stop());

  vectorStoreContract('QdrantStore', capacities, () => open({ url: stub.url }));

  it('has asked for, counted and removed the points of one tenant at a time, in all of that', () => {
    const filters = stub.seen.flatMap(({ operation, body }) => {
      if (operation === 'query_batch_points') return (body as Schemas['QueryRequestBatch']).searches.map((search) => search.filter);
      if (operation === 'batch_update') return (body as Schemas['UpdateOperations']).operations.flatMap((one) => ('delete' in one && 'filter' in one.delete ? one.delete.filter : []));
      return operation === 'count_points' ? [(body as Schemas['CountRequest']).filter] : [];
    });
    expect(filters.length).toBeGreaterThan(200);
    for (const filter of filters) expect(filter).toMatchObject({ must: expect.arrayContaining([{ key: 'tenant_id', match: { value: expect.any(String) } }]) });
  });

  it.each<[method: string, path: string, body?: object]>([
    ['PUT', '', { vectors: { dense: { size: 1, distance: 'cosine' } } }],
    ['PUT', '', { vectors: { dense: { size: 1, distence: 'Cosine' } } }],
    ['PUT', '', { sparse_vectors: { bm25: { modifer: 'idf' } } }],
    ['PUT', '', { hnsw_config: { payloadm: 16 } }],
    ['PUT', '/index?wait=true', { field_name: 'tenant_id', field_schema: { type: 'keyword', is_tennant: true } }],
    ['PUT', '/index?wiat=true', { field_name: 'tenant_id', field_schema: 'keyword' }],
    ['POST', '/points/batch?ordering=strongest', { operations: [] }],
    ['POST', '/points/batch', { operations: [{ delete: { filter: { must: [{ key: 'version', mach: { value: 1 } }] } } }] }],
    ['POST', '/points/batch', { operations: [{ upsert: { points: [{ id: 'a', vector: { dense: [1] } }] } }] }],
    ['POST', '/points/batch', { operations: [{ upsert: { points: [{ id: randomUUID(), vector: { bm25: { indices: [-1], values: [1] } } }] } }] }],
    ['POST', '/points/query/batch', { searches: [{ query: [1], usin: 'dense' }] }],
    ['POST', '/points/query/batch', { searches: [{ query: [1], filter: { must: [{ key: 'document_id', match: { any: ['a', 'a'] } }] } }] }],
    ['POST', '/points/count', { filter: { must_nott: [] } }],
  ])('refuses a request that Qdrant does not describe: %s %s %j', async (method, path, body) => {
    const response = await outbound.fetch(`${stub.url}/collections/x${path}`, { method, body: JSON.stringify(body) });
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining("none of Qdrant's")]);
  });

  it('shares a collection among tenants with a graph for each, and words that are as rare as each has them', async () => {
    const shared = await open({ url: stub.url, partitioned: true });
    await shared.ensureCollection(collection, { dimensions: 1 });
    expect(stub.model.info(collection).config.hnsw_config).toMatchObject({ m: 0, payload_m: 16 });
    expect(stub.model.info(collection).payload_schema).toMatchObject({ tenant_id: { data_type: 'keyword', params: { is_tenant: true } }, document_id: { data_type: 'keyword' }, version: { data_type: 'integer' } });
    await shared.replaceDocument(collection, scope(), pointsOf('tenant-1', 'a', ['apple', 'pear', 'plum']));
    const before = await scoreOf('apple', shared);
    await shared.replaceDocument(collection, scope('tenant-2'), pointsOf('tenant-2', 'a', Array.from({ length: 50 }, () => 'apple')));
    expect(await scoreOf('apple', shared)).toBe(before);
    // Of all tenants, when it is not asked for.
    expect(await scoreOf('apple')).toBeLessThan(before!);
  });

  it('counts the words of all tenants where the server cannot do better', async () => {
    const older = await QdrantStub.start({ version: '1.18.3' });
    const shared = await open({ url: older.url, partitioned: true });
    await shared.ensureCollection(collection, { dimensions: 1 });
    await shared.replaceDocument(collection, scope(), pointsOf('tenant-1', 'a', ['apple']));
    expect(await scoreOf('apple', shared)).toBeGreaterThan(0);
    expect(older.seen.at(-1)!.body).toMatchObject({ searches: [expect.not.objectContaining({ params: expect.anything() })] });
    await older.stop();
  });

  it('ranks a rare word above a common one', async () => {
    await store.ensureCollection(collection, { dimensions: 1 });
    await store.replaceDocument(collection, scope(), pointsOf('tenant-1', 'a', Array.from({ length: 20 }, (_, at) => (at === 7 ? 'a longer text about the capybara' : 'the the the'))));
    const hits = await store.search(collection, { tenantId: 'tenant-1', mode: 'keyword', text: 'what is the capybara', limit: 20 });
    expect([hits[0]!.index, hits.length]).toEqual([7, 20]);
  });

  it('adds the indexes that a creator did not live to make', async () => {
    await store.ensureCollection(collection, { dimensions: 1 });
    const whole = stub.model.info(collection).payload_schema;
    stub.model.forgetIndexes(collection);
    await store.ensureCollection(collection, { dimensions: 1 });
    expect(stub.model.info(collection).payload_schema).toEqual(whole);
  });

  it('loses nothing when the way breaks off in the middle of a large document, and comes to the end when it is tried again', async () => {
    let requests = 0;
    const breaking = async (...[input, init]: Parameters<Outbound['fetch']>) => {
      if ((input as string).includes('/points/batch') && ++requests === 2) throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
      return outbound.fetch(input, init);
    };
    const fragile = await open({ url: stub.url, outbound: { fetch: breaking } });
    const [dimensions, texts] = [16_000, Array.from({ length: 40 }, () => 'apple')];
    const points = pointsOf('tenant-1', 'a', texts, new Float32Array(dimensions).fill(1));
    await store.ensureCollection(collection, { dimensions });
    await store.replaceDocument(collection, scope(), points);
    expect(await failureOf(fragile.replaceDocument(collection, scope(), points.slice(0, 35)))).toMatchObject({ code: 'refused' });
    expect(await store.count(collection, 'tenant-1')).toBe(40);
    await fragile.replaceDocument(collection, scope(), points.slice(0, 35));
    expect(await store.count(collection, 'tenant-1')).toBe(35);
  });

  it('does not take a write for done that the server has only noted', async () => {
    await store.ensureCollection(collection, { dimensions: 1 });
    stub.model.updateStatus = 'wait_timeout';
    expect(await failureOf(store.replaceDocument(collection, scope(), pointsOf('tenant-1', 'a', ['apple'])))).toMatchObject({ code: 'timeout' });
    expect(await failureOf(store.deleteDocument(collection, scope()))).toMatchObject({ code: 'timeout' });
    stub.model.updateStatus = 'completed';
  });

  it('leaves a collection alone that something else has made', async () => {
    stub.model.create(collection, { vectors: { size: 1, distance: 'Cosine' } });
    for (const work of [
      () => store.ensureCollection(collection, { dimensions: 1 }),
      () => store.replaceDocument(collection, scope(), pointsOf('tenant-1', 'a', ['apple'])),
      () => store.search(collection, { tenantId: 'tenant-1', mode: 'keyword', text: 'apple', limit: 1 }),
    ]) {
      expect(await failureOf(work())).toMatchObject({ code: 'unexpected', message: expect.stringContaining('made by something else') });
    }
    expect(stub.seen.filter((request) => request.collection === collection).map(({ operation }) => operation)).toEqual(['get_collection', 'get_collection', 'get_collection']);
  });

  it('tells the version of the server, and needs 1.11', async () => {
    expect(await store.ping()).toEqual({ latencyMs: expect.any(Number), version: '1.19.0' });
    const old = await QdrantStub.start({ version: '1.10.1' });
    const failure = await failureOf((await open({ url: old.url })).ensureCollection(collection, { dimensions: 1 }));
    expect(failure).toMatchObject({ code: 'wrong_version', message: 'The server is Qdrant 1.10.1; at least 1.11 is needed.' });
    expect(old.model.names).toEqual([]);
    await old.stop();
  });

  it('gets in with the key alone', async () => {
    const closed = await QdrantStub.start({ apiKey: 'secret' });
    for (const wrong of [{}, { apiKey: 'wrong' }]) expect(await failureOf((await open({ url: closed.url, ...wrong })).ping())).toMatchObject({ code: 'unauthorized' });
    expect(await (await open({ url: closed.url, apiKey: 'secret' })).ping()).toMatchObject({ version: '1.19.0' });
    await closed.stop();
  });

  it('tells by its kind why a server cannot be used', async () => {
    const gone = await QdrantStub.start();
    await gone.stop();
    const stranger = await open({ url: stub.url, outbound: new Outbound() });
    expect(await failureOf(stranger.ping())).toMatchObject({ code: 'not_allowed' });
    expect(await failureOf((await open({ url: stub.url.replace('http:', 'https:') })).ping())).toMatchObject({ code: 'tls' });
    expect(await failureOf((await open({ url: gone.url })).ping())).toMatchObject({ code: 'refused' });
  });
});

describe('what is no Qdrant', () => {
  const answering = async (answer: RequestListener, work: (store: QdrantStore) => Promise<void>, options: Partial<QdrantOptions> = {}): Promise<void> => {
    const server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await work(await open({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ...options }));
    server.close();
    server.closeAllConnections();
  };

  it.each([
    [200, '<p>Welcome to nginx!</p>'], [404, '<p>Not here.</p>'], [200, '{"title":"elasticsearch","version":"9.1.0"}'], [404, '{}'], [301, ''], [500, 'oops'], [200, 'null'],
  ])('does not pass for an empty one: %s %s', async (status, body) => {
    await answering((_, response) => response.writeHead(status).end(body), async (store) => {
      for (const work of [
        () => store.ping(),
        () => store.ensureCollection('c', { dimensions: 1 }),
        () => store.search('c', { tenantId: 'a', mode: 'keyword', text: 'x', limit: 1 }),
        () => store.count('c', 'a'),
        () => store.deleteDocument('c', { tenantId: 'a', documentId: 'a' }),
        () => store.dropCollections('c'),
      ]) {
        expect(await failureOf(work())).toMatchObject({ code: 'unexpected' });
      }
    });
  });

  it.each([[503, 'refused'], [502, 'refused'], [504, 'timeout'], [403, 'unauthorized']])('or is not ready says so with %i', async (status, code) => {
    await answering((_, response) => response.writeHead(status).end('{}'), async (store) => expect(await failureOf(store.ping())).toMatchObject({ code }));
  });

  it('and says nothing is given up', async () => {
    await answering(() => undefined, async (store) => expect(await failureOf(store.ping())).toMatchObject({ code: 'timeout' }), { timeoutMs: 200 });
  });
});

it('writes a document of any size in requests that Qdrant takes, and removes the rest with the last', () => {
  const longest = new Float32Array(1536).fill(-1.1754943508222875e-38);
  const words = Array.from({ length: 400 }, (_, at) => `word${at}`).join(' ');
  const points = pointsOf(randomUUID(), randomUUID(), Array.from({ length: 300 }, () => words), longest);
  const requests = replacement(points[0]!, points);
  const sizes = requests.map((operations) => Buffer.byteLength(JSON.stringify({ operations })));
  expect(sizes.length).toBeGreaterThan(1);
  expect(Math.max(...sizes)).toBeLessThan(32_000_000);
  expect(requests.map((operations) => operations.map((operation) => Object.keys(operation)[0]))).toEqual([...requests.slice(1).map(() => ['upsert']), ['upsert', 'delete']]);
  const written = requests.flat().flatMap((operation) => ('upsert' in operation && 'points' in operation.upsert ? operation.upsert.points : []));
  expect(new Set(written.map(({ id }) => id)).size).toBe(points.length);
});

const live = process.env['QDRANT_URL'];
if (live === undefined) it.skip('QdrantStore on a server: set QDRANT_URL, and QDRANT_API_KEY, to one that nobody needs', () => undefined);
else {
  const apiKey = process.env['QDRANT_API_KEY'];
  const allowed = new Outbound({ allow: [new URL(live).hostname] });
  vectorStoreContract('QdrantStore on a server', capacities, () => open({ url: live, outbound: allowed, ...(apiKey ? { apiKey } : {}) }));
  afterAll(() => allowed.close());
}

afterAll(() => outbound.close());
