import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ChromaStore } from '../../src/databases/vector-stores/chroma.store.js';
import { pointId } from '../../src/databases/vector-stores/point-id.js';
import { VectorServerFailure } from '../../src/databases/vector-stores/remote-failure.js';
import { DISTANCES } from '../../src/databases/vector-stores/vector-store.js';
import type { VectorPoint } from '../../src/databases/vector-stores/vector-store.js';
import { Outbound } from '../../src/outbound/outbound.js';
import { ChromaServer } from '../support/chroma-server.js';
import { freePort } from '../support/redis-server.js';
import { vectorStoreContract } from './vector-store-contract.js';

const outbound = new Outbound({ allow: ['127.0.0.1', 'localhost'], totalTimeoutMs: 10_000 });
const started = process.env['CHROMA_URL'] === undefined ? await ChromaServer.start() : undefined;
const url = process.env['CHROMA_URL'] ?? started?.url;

const open = () => ChromaStore.open({ url: url ?? '', outbound });
const pointsOf = (documentId: string, vectors: Float32Array[]): VectorPoint[] =>
  vectors.map((vector, index) => ({ id: pointId(documentId, 1, index), vector, text: 'x', tenantId: 'tenant-1', documentId, version: 1, index }));
const scope = { tenantId: 'tenant-1', documentId: 'a', version: 1 };

if (url === undefined) it.skip('ChromaStore on a server', () => undefined);
else {
  vectorStoreContract('ChromaStore', { keyword: false, maxDimensions: 16_000, distances: DISTANCES }, open);

  it('holds vectors of the most dimensions, more of them than one request takes', async () => {
    const store = await open();
    const name = `c_${randomUUID()}`;
    await store.ensureCollection(name, { dimensions: 16_000 });
    const vectors = Array.from({ length: 60 }, (_, at) => Float32Array.from({ length: 16_000 }, (__, index) => Number(index === at)));
    await store.replaceDocument(name, scope, pointsOf('a', vectors));
    const [first] = await store.search(name, { tenantId: 'tenant-1', mode: 'vector', text: '', vector: vectors[59]!, limit: 1 });
    expect([await store.count(name, 'tenant-1'), first]).toEqual([60, expect.objectContaining({ index: 59, score: 1 })]);
    await store.dropCollection(name);
  });

  it('tells of a tenant or database that Chroma does not have', async () => {
    const store = await ChromaStore.open({ url, outbound, database: 'none' });
    await expect(store.ping()).rejects.toMatchObject({ code: 'unexpected', message: expect.stringContaining('database') });
  });
}

describe('a server that answers as we choose', () => {
  interface Call {
    method: string;
    path: string;
    headers: IncomingMessage['headers'];
    body: { ids?: string[]; where?: { $and: { document_id?: { $in?: string[] } }[] } };
  }
  type Answer = [status: number, body: unknown] | undefined;
  let server: Server;
  let calls: Call[];
  let answer: (path: string) => Answer;
  let base: string;

  const WELL: Record<string, unknown> = { version: '"1.0.0"', default_database: { name: 'default_database' }, 'pre-flight-checks': { max_batch_size: 7 } };
  const well = (path: string): Answer => {
    const last = path.split('/').at(-1)!;
    if (path.includes('/collections/morag.')) return [200, { id: 'c1', name: last, configuration_json: { hnsw: { space: 'cosine' } }, metadata: { dimensions: 1 } }];
    return [200, WELL[last] ?? (last === 'get' ? { ids: [] } : {})];
  };

  beforeAll(async () => {
    server = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (part: string) => (text += part));
      request.on('end', () => {
        calls.push({ method: request.method!, path: request.url!, headers: request.headers, body: text === '' ? {} : (JSON.parse(text) as Call['body']) });
        const given = answer(request.url!);
        if (given) response.writeHead(given[0]).end(typeof given[1] === 'string' ? given[1] : JSON.stringify(given[1]));
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => ([calls, answer] = [[], well]));
  afterAll(() => server.close().closeAllConnections());

  const failure = async (options: Partial<Parameters<typeof ChromaStore.open>[0]> = {}): Promise<unknown> => {
    const error: unknown = await (await ChromaStore.open({ url: base, outbound, ...options })).ping().catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(VectorServerFailure);
    return (error as VectorServerFailure).code;
  };

  it.each([
    ['unauthorized', 401, { message: 'no' }],
    ['unauthorized', 403, { message: 'no' }],
    ['wrong_version', 200, '"0.5.23"'],
    ['unexpected', 404, 'Not Found'],
    ['unexpected', 404, { error: 'NotFoundError' }],
    ['unexpected', 200, '<html>'],
    ['unexpected', 200, {}],
    ['unexpected', 200, 'null'],
    ['unexpected', 500, { message: 'broken' }],
    ['unexpected', 302, ''],
  ])('is told as %s when it answers %d %j', async (code, status, body) => {
    answer = () => [status, body];
    expect(await failure()).toBe(code);
  });

  it('is quoted where it speaks as Chroma does, and nobody else is', async () => {
    const store = await ChromaStore.open({ url: base, outbound });
    answer = () => [500, { error: 'InternalError', message: 'disk full' }];
    await expect(store.ping()).rejects.toThrow('disk full');
    answer = () => [500, '<h1>internal wiki</h1>'];
    await expect(store.ping()).rejects.toThrow(/^(?!.*wiki)/);
  });

  it('before version 1.0 is told by the interface that it had', async () => {
    answer = (path) => (path === '/api/v1/version' ? [200, '"0.4.24"'] : [404, { detail: 'Not Found' }]);
    expect(await failure()).toBe('wrong_version');
  });

  it('is told by what keeps us from it', async () => {
    expect(await failure({ outbound: new Outbound() })).toBe('not_allowed');
    expect(await failure({ url: `http://127.0.0.1:${await freePort()}` })).toBe('refused');
    expect(await failure({ url: base.replace('http:', 'https:') })).toBe('tls');
    answer = () => undefined;
    expect(await failure({ timeoutMs: 100 })).toBe('timeout');
  });

  it('gets the key, and is asked for the database that was named', async () => {
    const store = await ChromaStore.open({ url: `${base}/chroma/`, outbound, apiKey: 'secret', tenant: 'a b', database: '../c' });
    await store.count('x', 'tenant-1');
    expect(calls[0]).toMatchObject({ path: '/chroma/api/v2/tenants/a%20b/databases/..%2Fc/collections/morag.x.v1', headers: { 'x-chroma-token': 'secret', authorization: 'Bearer secret' } });
    await (await ChromaStore.open({ url: base, outbound })).count('x', 'tenant-1');
    expect(calls.at(-1)!.headers).not.toHaveProperty('x-chroma-token');
    expect(calls.at(-1)!.headers).not.toHaveProperty('authorization');
  });

  it('that is no Chroma does not pass for one that is empty', async () => {
    const store = await ChromaStore.open({ url: base, outbound });
    answer = () => [404, '<h1>Not Found</h1>'];
    await expect(store.count('x', 'tenant-1')).rejects.toMatchObject({ code: 'unexpected' });
    await expect(store.dropCollections('x')).rejects.toMatchObject({ code: 'unexpected' });
  });

  it('gets no more points at once than it takes', async () => {
    const store = await ChromaStore.open({ url: base, outbound });
    await store.replaceDocument('x', scope, pointsOf('a', Array.from({ length: 15 }, () => new Float32Array([1]))));
    expect(calls.flatMap(({ path, body }) => (path.endsWith('/upsert') ? body.ids!.length : []))).toEqual([7, 7, 1]);
  });

  it('is asked about so many documents in several questions', async () => {
    const store = await ChromaStore.open({ url: base, outbound });
    answer = (path) => (path.endsWith('/query') ? [200, { ids: [[`tenant-1/p${calls.length}`]], distances: [[calls.length / 10]], metadatas: [[{ document_id: 'a', version: 1, chunk_index: 0 }]] }] : well(path));
    const documentIds = Array.from({ length: 70_001 }, (_, at) => `d${at}`);
    const hits = await store.search('x', { tenantId: 'tenant-1', mode: 'vector', text: '', vector: new Float32Array([1]), limit: 2, documentIds, excludeDocumentIds: ['d0', 'd9'] });
    const asked = calls.flatMap(({ body }) => body.where?.$and[1]?.document_id?.$in ?? []);
    expect(asked).toEqual(documentIds.filter((id) => id !== 'd0' && id !== 'd9'));
    expect(hits.map(({ id }) => id)).toEqual(['p2', 'p3']);
  });

  it('that fails in the middle of a document is not told that the old points may go', async () => {
    const store = await ChromaStore.open({ url: base, outbound });
    const upserts = () => calls.filter(({ path }) => path.endsWith('/upsert')).length;
    answer = (path) => (upserts() === 2 ? [500, {}] : well(path));
    await expect(store.replaceDocument('x', scope, pointsOf('a', Array.from({ length: 15 }, () => new Float32Array([1]))))).rejects.toMatchObject({ code: 'unexpected' });
    expect(upserts()).toBe(2);
    expect(calls.filter(({ path }) => path.endsWith('/delete'))).toEqual([]);
  });
});

afterAll(async () => {
  await outbound.close();
  await started?.stop();
});
