import { VectorStore } from '../../src/databases/vector-stores/vector-store.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { administrator, createKey, createTenant, eventually, ingestText, type Tenant } from '../support/factories.js';
import { reconcile } from '../support/reconciliation.js';
import { TestApp } from '../support/test-app.js';

const SECRET = 'sk-very-secret-key';

describe('databases', () => {
  let embeddings: EmbeddingServer;
  let server: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start({ dimensions: 5 });
    server = await TestApp.start({ OUTBOUND_ALLOW: '127.0.0.1' });
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
  });
  afterAll(async () => {
    await server.stop();
    await embeddings.stop();
  });

  const create = (body: object) => tenant.client.post('/api/v1/databases', body);
  const get = async (id: string) => (await tenant.client.get(`/api/v1/databases/${id}`)).body;
  const store = (): VectorStore => server.app.get(VectorStore, { strict: false });
  const pointsOf = (collection: string): Promise<number> => store().count(collection, tenant.tenantId);

  describe('that are created', () => {
    it('have the model of the installation and the tenant’s chunking unless they say otherwise', async () => {
      const { status, body } = await create({ name: 'plain' });
      expect(status).toBe(201);
      expect(body).toMatchObject({
        collection_name: `user_${tenant.userId}_plain`, physical_collection: `user_${tenant.userId}_plain`, server_type: 'EMBEDDED', embedding_provider: 'default', embedding_model: 'local-lexical-1024',
        dimensions: 1024, embedding_url: null, has_embedding_api_key: false, distance: 'cosine', chunk_size: null, chunk_overlap: null, chunking_strategy: null, reindex: null,
      });
    });

    it('embed with the endpoint they choose, whose key nobody is shown', async () => {
      const { status, body } = await create({ name: 'own', ...embeddings.choice, embedding_api_key: SECRET });
      expect(status).toBe(201);
      expect(body).toMatchObject({ embedding_provider: 'openai', embedding_model: 'test', dimensions: 5, embedding_url: embeddings.url, has_embedding_api_key: true });
      const before = embeddings.requests;
      await ingestText(tenant.client, 'A page', 'The lighthouse is on the cliff.', { database: 'own' });
      expect(embeddings.requests).toBe(before + 1);
      expect(await pointsOf(body.collection_name)).toBe(1);
      const [row] = await server.database.query('SELECT to_jsonb(d)::text AS text, embedding_api_key FROM databases d WHERE id = $1', [body.id]);
      expect(`${JSON.stringify(body)} ${row!['text'] as string} ${(row!['embedding_api_key'] as Buffer).toString('latin1')}`).not.toContain(SECRET);
    });

    it('cut documents their way, unless the upload says another', async () => {
      await create({ name: 'fine', chunk_size: 100, chunk_overlap: 0, chunking_strategy: 'sentence' });
      const text = Array.from({ length: 30 }, (_, at) => `This is the sentence number ${at}.`).join(' ');
      const chunksOf = async (id: string) => (await tenant.client.get(`/api/v1/documents/${id}`)).body.chunks as number;
      expect(await chunksOf(await ingestText(tenant.client, 'By the database', text, { database: 'fine' }))).toBeGreaterThan(8);
      expect(await chunksOf(await ingestText(tenant.client, 'By the request', `${text} Else.`, { database: 'fine', chunk_size: 4000 }))).toBe(1);
      const refused = await tenant.client.post('/api/v1/ingest/text', { title: 'x', content: text, database: 'fine', chunk_overlap: 100 });
      expect(refused).toMatchObject({ status: 422, body: { code: 'invalid_chunking' } });
    });

    it.each([
      ['a provider there is not', { embedding_provider: 'magic' }, 'embedding_provider'],
      ['another model than the installation’s, without a provider', { embedding_model: 'text-embedding-3-small' }, 'embedding_model'],
      ['other dimensions than a fixed model’s', { embedding_provider: 'hash', dimensions: 3 }, 'dimensions'],
      ['an endpoint without a model', { embedding_provider: 'openai', embedding_url: 'https://embeddings.example.com/v1' }, 'embedding_model'],
      ['a model whose dimensions nobody knows', { embedding_provider: 'openai', embedding_model: 'mystery' }, 'dimensions'],
      ['no URL', { embedding_provider: 'openai', embedding_model: 'm', dimensions: 3, embedding_url: 'nowhere' }, 'embedding_url'],
      ['a key for a model that wants none', { embedding_api_key: 'x' }, 'embedding_api_key'],
      ['a chunk size out of range', { chunk_size: 99 }, 'chunk_size'],
      ['a server that is no UUID', { server_id: 'x' }, 'server_id'],
    ])('are refused with %s, and the field is named', async (_, settings, field) => {
      const { status, body } = await create({ name: 'refused', ...settings });
      expect(status).toBe(400);
      expect(body).toMatchObject({ code: 'validation_failed', errors: [{ field }] });
      expect(await create({ name: 'refused' })).toMatchObject({ status: 201 });
    });

    it('are refused with an endpoint in our own network, and a chunking that cannot be', async () => {
      const settings = { embedding_provider: 'openai', embedding_model: 'm', dimensions: 3, embedding_url: 'http://169.254.169.254/v1' };
      expect(await create({ name: 'a', ...settings })).toMatchObject({ status: 422, body: { code: 'url_not_allowed' } });
      expect(await create({ name: 'a', chunk_size: 200, chunk_overlap: 200 })).toMatchObject({ status: 422, body: { code: 'invalid_chunking' } });
    });
  });

  describe('that are changed', () => {
    it('change only what is named; model, dimensions and distance need a reindex', async () => {
      const { body } = await create({ name: 'a', ...embeddings.choice, embedding_api_key: SECRET, chunk_size: 500, chunk_overlap: 50 });
      const patch = (changes: object) => tenant.client.patch(`/api/v1/databases/${body.id}`, changes);
      expect((await patch({ description: 'Papers' })).body).toMatchObject({ description: 'Papers', chunk_size: 500, has_embedding_api_key: true });
      expect((await patch({ chunk_size: null, chunking_strategy: 'page' })).body).toMatchObject({ description: 'Papers', chunk_size: null, chunk_overlap: 50, chunking_strategy: 'page' });
      expect(await patch({ chunk_size: 100, chunk_overlap: 100 })).toMatchObject({ status: 422, body: { code: 'invalid_chunking' } });
      for (const field of ['embedding_model', 'dimensions', 'distance', 'name', 'server_id', 'embedding_provider']) expect((await patch({ [field]: 'x' })).status).toBe(400);
      expect((await patch({ embedding_api_key: null })).body).toMatchObject({ has_embedding_api_key: false });
    });

    it('send a key to no other address than the one it was given for', async () => {
      const { body } = await create({ name: 'a', ...embeddings.choice, embedding_api_key: SECRET });
      const moved = await tenant.client.patch(`/api/v1/databases/${body.id}`, { embedding_url: embeddings.url.replace('127.0.0.1', '127.0.0.1').replace('/v1', '/v2') });
      expect(moved.body).toMatchObject({ has_embedding_api_key: false });
      const both = await tenant.client.patch(`/api/v1/databases/${body.id}`, { embedding_url: embeddings.url, embedding_api_key: SECRET });
      expect(both.body).toMatchObject({ embedding_url: embeddings.url, has_embedding_api_key: true });
    });
  });

  describe('that are deleted', () => {
    it('are kept while they hold documents; with cascade nobody sees any of it from the answer on, the name is free, and nothing is left', async () => {
      const { body: database } = await create({ name: 'papers' });
      const ids: string[] = [];
      for (const title of ['One', 'Two', 'Three']) ids.push(await ingestText(tenant.client, title, `The lighthouse of ${title}.`, { database: 'papers' }));
      const waiting = await tenant.client.post('/api/v1/ingest/text', { title: 'In flight', content: 'The lighthouse is being built.', database: 'papers' });
      expect(await tenant.client.delete(`/api/v1/databases/${database.id}`)).toMatchObject({ status: 409, body: { code: 'resource_in_use', detail: expect.stringContaining('cascade=true') } });

      expect((await tenant.client.delete(`/api/v1/databases/${database.id}?cascade=true`)).status).toBe(204);
      expect((await tenant.client.get(`/api/v1/databases/${database.id}`)).status).toBe(404);
      for (const id of [...ids, waiting.body.document_id]) expect((await tenant.client.get(`/api/v1/documents/${id}`)).status).toBe(404);
      expect((await tenant.client.post('/api/v1/search', { query: 'lighthouse' })).body.results).toEqual([]);
      expect(await tenant.client.delete(`/api/v1/databases/${database.id}?cascade=true`)).toMatchObject({ status: 404 });

      const again = await create({ name: 'papers' });
      expect(again.status).toBe(201);
      const kept = await ingestText(tenant.client, 'New', 'Another lighthouse.', { database: 'papers' });
      const rows = () => server.database.query(`SELECT (SELECT count(*)::int FROM databases WHERE tenant_id = $1 AND deleted_at IS NOT NULL) AS hidden, (SELECT count(*)::int FROM documents WHERE tenant_id = $1) AS documents`, [tenant.tenantId]);
      await eventually(rows, ([seen]) => seen!['hidden'] === 0 && seen!['documents'] === 1, 40_000);
      expect((await tenant.client.post('/api/v1/search', { query: 'lighthouse' })).body.results.map((result: { citation: { document_id: string } }) => result.citation.document_id)).toEqual([kept]);
      expect(await pointsOf(again.body.collection_name)).toBe(1);
      expect((await reconcile(await administrator(server), { tenant_id: tenant.tenantId })).drifts).toEqual([]);
    }, 60_000);

    it('twice at once are deleted once', async () => {
      const { body } = await create({ name: 'twice' });
      const answers = await Promise.all(Array.from({ length: 4 }, () => tenant.client.delete(`/api/v1/databases/${body.id}?cascade=true`)));
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, 404, 404, 404]);
      expect((await reconcile(await administrator(server), { tenant_id: tenant.tenantId })).drifts).toEqual([]);
    });

    it('are out of reach of a key that is bound to another', async () => {
      const [mine, other] = [(await create({ name: 'mine' })).body, (await create({ name: 'other' })).body];
      const { client } = await createKey(tenant.client, ['read', 'write'], { database_ids: [mine.id] });
      for (const path of [`/api/v1/databases/${other.id}`, `/api/v1/databases/${other.id}?cascade=true`]) expect((await client.delete(path)).status).toBe(404);
      expect((await client.patch(`/api/v1/databases/${other.id}`, { description: 'x' })).status).toBe(404);
      expect((await client.post(`/api/v1/databases/${other.id}/reindex`, {})).status).toBe(404);
      expect(await get(other.id)).toMatchObject({ description: null });
    });
  });

  it('are dropped with their collection', async () => {
    const { body } = await create({ name: 'gone' });
    const id = await ingestText(tenant.client, 'A page', 'Words.', { database: 'gone' });
    await tenant.client.delete(`/api/v1/documents/${id}`);
    await eventually(() => tenant.client.delete(`/api/v1/databases/${body.id}`), ({ status }) => status === 204);
    await eventually(async () => store().replaceDocument(body.collection_name, { tenantId: tenant.tenantId, documentId: 'x', version: 1 }, []).then(() => 'there', (error: Error) => error.name), (seen) => seen === 'CollectionMissing');
  });
});
