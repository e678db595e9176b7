import { VectorStore } from '../../src/databases/vector-stores/vector-store.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { administrator, createTenant, eventually, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { reconcile } from '../support/reconciliation.js';
import { TestApp } from '../support/test-app.js';

interface Reindex {
  id: string;
  status: string;
  documents_total: number;
  documents_done: number;
  error: { code: string } | null;
}

describe('a reindex', () => {
  let embeddings: EmbeddingServer;
  let server: TestApp;
  let tenant: Tenant;
  let database: { id: string; collection_name: string };

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start({ dimensions: 5 });
    server = await TestApp.start({ OUTBOUND_ALLOW: '127.0.0.1' });
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    database = (await tenant.client.post('/api/v1/databases', { name: 'papers' })).body;
  });
  afterEach(() => {
    embeddings.refuse(undefined);
    embeddings.release();
  });
  afterAll(async () => {
    await server.stop();
    await embeddings.stop();
  });

  const path = (): string => `/api/v1/databases/${database.id}`;
  const begin = (body: object = embeddings.choice) => tenant.client.post<Reindex>(`${path()}/reindex`, body);
  const latest = async (): Promise<Reindex> => (await tenant.client.get<Reindex>(`${path()}/reindex`)).body;
  const ended = (status: string, withinMs?: number) => eventually(latest, (reindex) => reindex.status === status, withinMs);
  const ingest = (title: string, content = `The lighthouse of ${title}.`) => ingestText(tenant.client, title, content, { database: 'papers' });
  const pointsIn = (collection: string): Promise<number> => server.app.get(VectorStore, { strict: false }).count(collection, tenant.tenantId);
  const generation = (number: number): string => `user_${tenant.userId}_-${number}-papers`;
  const found = async (query = 'lighthouse', more: object = {}): Promise<string[]> => {
    const { status, body } = await tenant.client.post('/api/v1/search', { query, databases: ['papers'], top_k: 50, ...more });
    expect(status).toBe(200);
    return (body.results as { citation: { document_title: string } }[]).map((result) => result.citation.document_title).toSorted();
  };

  it('moves everything into a collection of the new model, which is then the one that is searched and written', async () => {
    for (const title of ['One', 'Two', 'Three']) await ingest(title);
    const kept = await ingest('Hidden');
    await tenant.client.post(`/api/v1/documents/${kept}/deprecate`, {});
    const begun = await begin();
    expect(begun).toMatchObject({ status: 202, body: { status: 'RUNNING', embedding_model: 'test', dimensions: 5, documents_total: 4 } });
    expect(await ended('FINISHED')).toMatchObject({ documents_done: 4, error: null });
    const { body } = await tenant.client.get(path());
    expect(body).toMatchObject({ collection_name: database.collection_name, physical_collection: generation(2), embedding_provider: 'openai', embedding_model: 'test', dimensions: 5, vector_points: 4, reindex: { status: 'FINISHED' } });
    expect(await pointsIn(generation(2))).toBe(4);
    await ingest('Four');
    expect(await found()).toEqual(['Four', 'One', 'Three', 'Two']);
    await tenant.client.post(`/api/v1/documents/${kept}/restore`, {});
    expect(await found()).toEqual(['Four', 'Hidden', 'One', 'Three', 'Two']);
    expect((await reconcile(await administrator(server), { tenant_id: tenant.tenantId })).drifts).toEqual([]);
  });

  it('is not noticed by those who search: what is there is found before, while it runs, and after', async () => {
    for (let at = 0; at < 12; at++) await ingest(`Paper ${at}`);
    const expected = await found();
    expect(expected).toHaveLength(12);
    let isOver = false;
    let searches = 0;
    const searching = (async () => {
      while (!isOver) {
        expect(await found('lighthouse', { mode: 'keyword' })).toEqual(expected);
        searches += 1;
      }
    })();
    embeddings.hold(3);
    await begin();
    await eventually(() => Promise.resolve(searches), (count) => count > 5);
    expect((await latest()).status).toBe('RUNNING');
    embeddings.release();
    await ended('FINISHED');
    const after = searches;
    await eventually(() => Promise.resolve(searches), (count) => count > after + 5);
    isOver = true;
    await searching;
  });

  it('takes in what is added, replaced and deleted while it runs, and leaves nothing of what is gone', async () => {
    const [first, second] = [await ingest('First'), await ingest('Second')];
    await ingest('Third');
    // Newest first: it waits at the first of three.
    embeddings.hold();
    const asked = embeddings.requests;
    await begin();
    await embeddings.received(asked + 1);
    await ingest('Fourth');
    await ingest('First', 'Another lighthouse of First, anew.').catch(() => undefined);
    const replaced = await tenant.client.post('/api/v1/ingest/text', { title: 'Second', content: 'The lighthouse was rebuilt.', database: 'papers', replace_existing: true, document_id: second });
    await waitForTask(tenant.client, replaced.body.task_id);
    expect((await tenant.client.delete(`/api/v1/documents/${first}`)).status).toBe(204);
    embeddings.release();
    await ended('FINISHED');
    expect(await found()).toEqual(['First', 'Fourth', 'Second', 'Third']);
    expect(await found('rebuilt', { mode: 'keyword' })).toEqual(['Second']);
    await eventually(() => pointsIn(generation(2)), (points) => points === 4);
    expect((await reconcile(await administrator(server), { tenant_id: tenant.tenantId })).drifts).toEqual([]);
  });

  it('waits for an endpoint that is away, fails for one that refuses, and leaves the database as it was', async () => {
    await ingest('One');
    embeddings.refuse(() => ({ status: 401 }));
    await begin();
    expect(await ended('FAILED')).toMatchObject({ error: { code: 'unauthorized' } });
    expect((await tenant.client.get(path())).body).toMatchObject({ embedding_model: 'local-lexical-1024', physical_collection: database.collection_name });
    expect(await found()).toEqual(['One']);
    await eventually(() => pointsIn(generation(2)), (points) => points === 0);

    embeddings.refuse(() => ({ status: 503, headers: { 'retry-after': '1', 'x-should-retry': 'false' } }));
    await begin();
    await eventually(latest, ({ status, error }) => status === 'RUNNING' && error?.code === 'unavailable');
    embeddings.refuse(undefined);
    expect(await ended('FINISHED')).toMatchObject({ error: null });
    expect((await tenant.client.get(path())).body).toMatchObject({ physical_collection: generation(3) });
  });

  it('runs once at a time, and can be cancelled', async () => {
    await ingest('One');
    expect((await tenant.client.get(`${path()}/reindex`)).status).toBe(404);
    embeddings.hold();
    const answers = await Promise.all([begin(), begin(), begin()]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409, 409]);
    expect(answers.find(({ status }) => status === 409)!.body).toMatchObject({ code: 'reindex_running' });
    expect(await tenant.client.delete(`${path()}/reindex`)).toMatchObject({ status: 200, body: { status: 'CANCELLED' } });
    expect(await tenant.client.delete(`${path()}/reindex`)).toMatchObject({ status: 409, body: { code: 'illegal_transition' } });
    embeddings.release();
    expect(await found()).toEqual(['One']);
    expect(await begin({})).toMatchObject({ status: 202, body: { embedding_provider: 'default', embedding_model: 'local-lexical-1024' } });
    await ended('FINISHED');
    expect(await found()).toEqual(['One']);
  });

  it('that is begun for another model of the installation makes its databases usable again', async () => {
    await ingest('One');
    await server.database.query(`UPDATE databases SET embedding_model = 'the-one-before', dimensions = 3 WHERE id = $1`, [database.id]);
    expect(await tenant.client.post('/api/v1/search', { query: 'lighthouse', databases: ['papers'] })).toMatchObject({ status: 409, body: { code: 'embedding_model_changed', detail: expect.stringContaining('reindex') } });
    await begin({});
    await ended('FINISHED');
    expect(await found()).toEqual(['One']);
  });

  it('goes on in another process when the one at work is killed, and asks for nothing twice that was done', async () => {
    const api = await TestApp.start({ OUTBOUND_ALLOW: '127.0.0.1', ROLE: 'api' });
    try {
      const owner = await createTenant(api.anonymous);
      const worker = await api.processBeside({ ROLE: 'worker', OUTBOUND_ALLOW: '127.0.0.1' });
      const { body: made } = await owner.client.post('/api/v1/databases', { name: 'papers' });
      for (let at = 0; at < 4; at++) await ingestText(owner.client, `Paper ${at}`, `The lighthouse of ${at}.`, { database: 'papers' });
      embeddings.embedded.length = 0;
      embeddings.hold(2);
      await owner.client.post(`/api/v1/databases/${made.id}/reindex`, embeddings.choice);
      const look = async (): Promise<Reindex> => (await owner.client.get<Reindex>(`/api/v1/databases/${made.id}/reindex`)).body;
      const done = () => api.database.query('SELECT document_id FROM reindexed_documents');
      await eventually(done, (rows) => rows.length === 2);
      await worker.end('SIGKILL');
      // As if its silence had been noticed already.
      await api.database.query(`UPDATE pgboss.job SET state = 'retry', start_after = now(), heartbeat_on = NULL WHERE name = 'reindex-database' AND state = 'active'`);
      embeddings.release();
      const another = await api.processBeside({ ROLE: 'worker', OUTBOUND_ALLOW: '127.0.0.1' });
      await eventually(look, ({ status }) => status === 'FINISHED', 60_000);
      // Two before; the third was asked for by the one that died, and again by the other.
      expect(embeddings.embedded.length).toBeLessThanOrEqual(5);
      expect((await owner.client.post('/api/v1/search', { query: 'lighthouse', databases: ['papers'] })).body.results).toHaveLength(4);
      await another.end();
    } finally {
      await api.stop();
    }
  }, 120_000);
});
