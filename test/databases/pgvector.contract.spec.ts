import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { PostgresConnections } from '../../src/databases/vector-stores/pgvector.connections.js';
import type { PostgresServer, SqlConnections } from '../../src/databases/vector-stores/pgvector.connections.js';
import { PgVectorStore } from '../../src/databases/vector-stores/pgvector.store.js';
import type { PgVectorTuning } from '../../src/databases/vector-stores/pgvector.store.js';
import { pointId } from '../../src/databases/vector-stores/point-id.js';
import { VectorServerFailure } from '../../src/databases/vector-stores/remote-failure.js';
import { DISTANCES } from '../../src/databases/vector-stores/vector-store.js';
import type { VectorPoint } from '../../src/databases/vector-stores/vector-store.js';
import { Outbound } from '../../src/outbound/outbound.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { TestDatabase } from '../support/test-database.js';
import { vectorStoreContract } from './vector-store-contract.js';

const capacities = { keyword: true, maxDimensions: 16_000, distances: DISTANCES };
const outbound = new Outbound({ allow: ['127.0.0.1', 'localhost'] });
const warnings: string[] = [];

/** The server of a URL, as a tenant would enter it. */
function serverAt(url: string, changes: Partial<PostgresServer> = {}): PostgresServer {
  const { hostname: host, port, username: user, password, pathname } = new URL(url);
  const logger = { warn: (message: string) => void warnings.push(message) };
  return { host, port: Number(port), user, password: decodeURIComponent(password), database: pathname.slice(1), outbound, logger, ...changes };
}

/** PostgreSQL 18 with pgvector 0.8 in WebAssembly: the same statements, one connection. */
const pglite = await PGlite.create({ extensions: { vector } });
// Not in `public`, as hosted PostgreSQL often has it.
await pglite.exec('CREATE SCHEMA extensions; CREATE EXTENSION vector SCHEMA extensions');
const connections: SqlConnections = {
  transaction: (settings, work) =>
    pglite.transaction(async (sql) => {
      await sql.exec(settings);
      return work(sql);
    }),
  close: async () => undefined,
};
const overPglite = async (tuning: PgVectorTuning = {}) => PgVectorStore.over(connections, tuning);

vectorStoreContract('PgVectorStore on PGlite', capacities, () => overPglite());
describePromises('PgVectorStore on PGlite', overPglite);

const live = process.env['PGVECTOR_URL'];
const schema = `morag_${randomUUID()}`;
const overTcp = (tuning: PgVectorTuning = {}) => PgVectorStore.open({ ...serverAt(live ?? ''), schema, ...tuning });

if (live === undefined) it.skip('PgVectorStore on a server: set PGVECTOR_URL to a database that has the extension', () => undefined);
else {
  vectorStoreContract('PgVectorStore on a server', capacities, () => overTcp());
  describePromises('PgVectorStore on a server', overTcp);
}

/** What pgvector adds to the promises of every store. */
function describePromises(name: string, open: (tuning?: PgVectorTuning) => Promise<PgVectorStore>): void {
  describe(name, () => {
    let store: PgVectorStore;
    let collection: string;
    beforeAll(async () => (store = await open()));
    afterAll(() => store.close());
    beforeEach(() => (collection = `c_${randomUUID()}`));

    const point = (documentId: string, index: number, values: number[], options: Partial<VectorPoint> = {}): VectorPoint => {
      const { tenantId = 'tenant-1', text = 'x', version = 1 } = options;
      return { id: pointId(documentId, version, index), vector: Float32Array.from(values), text, tenantId, documentId, version, index };
    };
    const write = (points: VectorPoint[]) => store.replaceDocument(collection, points[0]!, points);

    it.each([2001, 4001, 16_000])('holds vectors of %d dimensions', async (dimensions) => {
      await store.ensureCollection(collection, { dimensions });
      const vectorOf = (at: number) => Array.from({ length: dimensions }, (_, index) => Number(index === at));
      await write([0, 1, 2].map((at) => point('a', at, vectorOf(at))));
      const hits = await store.search(collection, { tenantId: 'tenant-1', mode: 'vector', text: '', vector: Float32Array.from(vectorOf(1)), limit: 1 });
      expect(hits).toMatchObject([{ index: 1, score: 1 }]);
    });

    it.each([[8, 150], [2001, 30]])('asks the index where there is much to measure, and measures what that yields, with %d dimensions', async (dimensions, count) => {
      const [measuring, asking] = [store, await open({ measuredRows: 20 })];
      await store.ensureCollection(collection, { dimensions });
      // On a curve, so that each has its own distance to any other.
      const vectorOf = (at: number) => Array.from({ length: dimensions }, (_, index) => Math.cos((at / count) * ((index % 8) + 1)));
      await write(Array.from({ length: count }, (_, at) => point('a', at, vectorOf(at))));
      await write(Array.from({ length: 25 }, (_, at) => point('b', at, vectorOf((at * count) / 25 + 0.5), { tenantId: 'tenant-2' })));
      for (const [tenantId, limit] of [['tenant-1', 10], ['tenant-2', 10], ['tenant-2', 50]] as const) {
        const query = { tenantId, mode: 'vector', text: '', vector: Float32Array.from(vectorOf(count / 3)), limit } as const;
        const hits = await asking.search(collection, query);
        expect(hits).toEqual(await measuring.search(collection, query));
        expect(hits).toHaveLength(Math.min(limit, tenantId === 'tenant-1' ? count : 25));
      }
      await asking.close();
    });

    it('ranks a rare word above a common one', async () => {
      await store.ensureCollection(collection, { dimensions: 1 });
      await write(Array.from({ length: 20 }, (_, index) => point('a', index, [1], { text: index === 7 ? 'a longer text about the capybara' : 'the the the' })));
      const hits = await store.search(collection, { tenantId: 'tenant-1', mode: 'keyword', text: 'what is the capybara', limit: 20 });
      expect([hits[0]!.index, hits.length]).toEqual([7, 20]);
    });
  });
}

describe('a PostgreSQL server', () => {
  // A real one, on which pgvector is not installed.
  let database: TestDatabase;
  let plain: string;
  beforeAll(async () => {
    database = await TestDatabase.createEmpty();
    plain = database.url;
  });
  afterAll(() => database.drop());
  const failureOf = async (server: PostgresServer): Promise<{ code: string; message: string }> => {
    const store = await PgVectorStore.open(server);
    try {
      const error: unknown = await store.ping().catch((cause: unknown) => cause);
      if (error instanceof VectorServerFailure) return error;
      throw error;
    } finally {
      await store.close();
    }
  };

  it('without the extension says how to get it', async () => {
    expect(await failureOf(serverAt(plain))).toMatchObject({ code: 'wrong_version', message: expect.stringContaining('CREATE EXTENSION vector') });
  });

  it('with an extension that is too old says which one is needed', async () => {
    const old: SqlConnections = { ...connections, transaction: async (_settings, work) => work({ query: async () => ({ rows: [{ version: '0.7.4', schema: 'x' }] as never[] }) }) };
    await expect(PgVectorStore.over(old).ping()).rejects.toMatchObject({ code: 'wrong_version', message: expect.stringContaining('0.7.4') });
  });

  it('is not looked for where the operator has not allowed it', async () => {
    const strict = new Outbound();
    for (const host of ['127.0.0.1', 'localhost', '::1', '/var/run/postgresql']) expect(await failureOf(serverAt(plain, { host, outbound: strict }))).toMatchObject({ code: 'not_allowed' });
  });

  it('that does not take the password, does not speak TLS, or is not there, is told by its kind', async () => {
    expect(await failureOf(serverAt(plain, { password: 'wrong' }))).toMatchObject({ code: 'unauthorized' });
    expect(await failureOf(serverAt(plain, { password: '' }))).toMatchObject({ code: 'unauthorized' });
    expect(await failureOf(serverAt(plain, { tls: true }))).toMatchObject({ code: 'tls' });
    expect(await failureOf(serverAt(plain, { database: 'no_such_database' }))).toMatchObject({ code: 'unexpected', message: expect.stringContaining('no_such_database') });
    expect(await failureOf(serverAt(plain, { port: 1 }))).toMatchObject({ code: 'refused' });
  });

  it('that takes the connection and then says nothing is given up', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    expect(await failureOf(serverAt(plain, { port, connectTimeoutMs: 100 }))).toMatchObject({ code: 'timeout' });
    silent.close();
  });

  it('that ends a connection in the middle keeps nothing of it, and is asked again by another', async () => {
    const own = new PostgresConnections(serverAt(plain));
    const table = `cut_${randomUUID()}`;
    const cut = own.transaction('', async (sql) => {
      await sql.query(`CREATE TABLE "${table}" (id integer)`);
      await sql.query('SELECT pg_terminate_backend(pg_backend_pid())');
    });
    await expect(cut).rejects.toMatchObject({ code: 'refused' });
    const { rows } = await own.transaction('', (sql) => sql.query('SELECT to_regclass($1) AS found', [`"${table}"`]));
    expect(rows).toEqual([{ found: null }]);
    await own.close();
  });

  it('that goes away in the middle, or before the answer to a commit, takes nothing else with it', async () => {
    const proxy = await DatabaseProxy.before(plain);
    const own = new PostgresConnections(serverAt(proxy.url));
    const one = () => own.transaction('', (sql) => sql.query('SELECT 1 AS one'));
    const { reached } = proxy.stop('before', (request) => request.includes('pg_sleep'));
    const asleep = expect(own.transaction('', (sql) => sql.query('SELECT pg_sleep(60)'))).rejects.toMatchObject({ code: 'refused' });
    await reached;
    proxy.goAway();
    await asleep;
    await expect(one()).rejects.toMatchObject({ code: 'refused' });
    proxy.comeBack();
    proxy.loseAnswersToCommit(1);
    await expect(one()).rejects.toMatchObject({ code: 'refused' });
    expect((await one()).rows).toEqual([{ one: 1 }]);
    await own.close();
    await proxy.close();
  });

  it('whose statement takes too long is not waited for', async () => {
    const impatient = new PostgresConnections(serverAt(plain, { statementTimeoutMs: 300 }));
    await expect(impatient.transaction('', (sql) => sql.query('SELECT pg_sleep(60)'))).rejects.toMatchObject({ code: 'timeout' });
    expect((await impatient.transaction('', (sql) => sql.query('SELECT 1 AS one'))).rows).toEqual([{ one: 1 }]);
    await impatient.close();
  });
});

afterAll(async () => {
  await pglite.close();
  await outbound.close();
  expect(warnings).toEqual([]);
});
