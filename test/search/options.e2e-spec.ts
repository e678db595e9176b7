import { EmbeddingServer } from '../support/embedding-server.js';
import { createTenant, ingestText, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

interface Result {
  chunk_id: string;
  score: number;
  scores?: object;
  text?: string;
  metadata?: object;
  highlights?: { start: number; end: number }[];
  citation: { document_id: string; document_title: string; database_id: string };
}

describe('what a search may ask for', () => {
  let embeddings: EmbeddingServer;
  let server: TestApp;
  let tenant: Tenant;
  let long: string;
  let short: string;

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start({ dimensions: 4 });
    server = await TestApp.start({ OUTBOUND_ALLOW: '127.0.0.1' });
    tenant = await createTenant(server.anonymous);
    const chapters = Array.from({ length: 40 }, (_, at) => `The whale of chapter ${at}. ${'Whale after whale. '.repeat(4)}`);
    long = await ingestText(tenant.client, 'Long', chapters.join('\n\n'), { chunk_size: 110, chunk_overlap: 0, metadata: { kind: 'novel' } });
    short = await ingestText(tenant.client, 'Short', 'A page about fish; 🐋 whales are mentioned in passing among many other animals of the sea.');
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    await embeddings.stop();
  });

  async function search(body: object): Promise<{ results: Result[]; warnings: { code: string; database_id?: string }[] }> {
    const answer = await tenant.client.post('/api/v1/search', { query: 'whale', databases: ['default'], ...body });
    expect([answer.status, answer.body.detail]).toEqual([200, undefined]);
    return answer.body;
  }
  const documentsOf = ({ results }: { results: Result[] }): string[] => results.map(({ citation }) => citation.document_id);

  it('no more than so many chunks of a document, whose places others take', async () => {
    expect(documentsOf(await search({ mode: 'keyword', top_k: 10 }))).toEqual(Array.from({ length: 10 }, () => long));
    for (const mode of ['keyword', 'vector', 'hybrid']) {
      expect(documentsOf(await search({ mode, top_k: 3, max_chunks_per_document: 2 })).toSorted()).toEqual([long, long, short].toSorted());
    }
  });

  it('only what scores so high', async () => {
    for (const mode of ['keyword', 'vector', 'hybrid']) {
      const { results } = await search({ mode, top_k: 50 });
      const threshold = results[5]!.score;
      const expected = results.filter(({ score }) => score >= threshold).map(({ chunk_id }) => chunk_id);
      expect((await search({ mode, top_k: 50, score_threshold: threshold })).results.map(({ chunk_id }) => chunk_id)).toEqual(expected);
    }
    expect((await search({ score_threshold: 1e9 })).results).toEqual([]);
  });

  it('the parts of a result that are wanted, and where the words of the query stand', async () => {
    const { results } = await search({ document_ids: [short] });
    expect(Object.keys(results[0]!).toSorted()).toEqual(['chunk_id', 'citation', 'metadata', 'score', 'scores', 'text']);
    const bare = await search({ document_ids: [short], include: [] });
    expect(Object.keys(bare.results[0]!).toSorted()).toEqual(['chunk_id', 'citation', 'score']);
    const { results: [marked] } = await search({ document_ids: [short], include: ['text', 'highlights'] });
    expect(marked!.highlights!.map(({ start, end }) => [...marked!.text!].slice(start, end).join(''))).toEqual(['whales']);
  });

  it.each([
    [{ score_threshold: 'x' }, 'score_threshold'], [{ max_chunks_per_document: 0 }, 'max_chunks_per_document'], [{ include: ['everything'] }, 'include'], [{ include: 'text' }, 'include'],
    [{ include: ['text', 'text'] }, 'include'], [{ filter: 'x' }, 'filter'], [{ filter: null }, 'filter'],
  ])('not %j', async (body, field) => {
    expect(await tenant.client.post('/api/v1/search', { query: 'x', ...body })).toMatchObject({ status: 400, body: { errors: [{ field }] } });
  });

  it('databases of different models together, merged by rank; one whose model does not answer is left out and named', async () => {
    const { body: other } = await tenant.client.post('/api/v1/databases', { name: 'other', ...embeddings.choice });
    const there = await ingestText(tenant.client, 'Elsewhere', 'Another whale.', { database: 'other' });
    const asked = embeddings.requests;
    const both = await search({ databases: ['default', 'other'], top_k: 4 });
    expect(embeddings.requests).toBe(asked + 1);
    // The first of each list, then the second of the only one that has more.
    expect(both.results.map(({ score }) => score)).toEqual([1, 1, 61 / 62, 61 / 63]);
    expect(documentsOf(both).toSorted()).toEqual([long, long, long, there].toSorted());
    expect(both.warnings).toEqual([]);
    expect((await search({ databases: ['default', 'other'], top_k: 4 })).results).toEqual(both.results);

    embeddings.refuse(() => ({ status: 401 }));
    const one = await search({ databases: ['default', 'other'], top_k: 100 });
    expect(new Set(documentsOf(one))).toEqual(new Set([long, short]));
    expect(one.warnings).toEqual([{ code: 'embedding_unavailable', database_id: other.id, message: expect.stringContaining('"other"') }]);
    expect(await tenant.client.post('/api/v1/search', { query: 'whale', databases: ['other'] })).toMatchObject({ status: 503, body: { code: 'embedding_unavailable' } });
    expect(documentsOf(await search({ databases: ['default', 'other'], mode: 'keyword', top_k: 100 }))).toContain(there);
    embeddings.refuse(undefined);
  });
});
