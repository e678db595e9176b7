import { administrator, createKey, createTenant, eventually, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { makePdf } from '../fixtures/make.js';
import { TestApp } from '../support/test-app.js';

const MODES = ['hybrid', 'vector', 'keyword'] as const;

interface Result {
  chunk_id: string;
  score: number;
  scores: { vector?: number; keyword?: number };
  text: string;
  citation: { document_id: string; document_title: string; database_id: string };
  metadata: object;
}

describe('search', () => {
  let server: TestApp;
  let tenant: Tenant;
  let neighbour: Tenant;
  let contracts: string;
  let ids: Record<string, string>;

  beforeAll(async () => {
    server = await TestApp.start();
    const admin = await administrator(server);
    [tenant, neighbour] = await Promise.all([createTenant(server.anonymous), createTenant(server.anonymous)]);
    for (const each of [tenant, neighbour]) await setLimits(admin, each, { api_calls_per_hour: null });
    contracts = (await tenant.client.post('/api/v1/databases', { name: 'contracts' })).body.id;
    const [whales, tea, lease] = await Promise.all([
      ingestText(tenant.client, 'Whales', 'The blue whale is the largest animal that has ever lived.', { metadata: { topic: 'sea' } }),
      ingestText(tenant.client, 'Tea', 'Green tea is brewed with water that does not boil.'),
      ingestText(tenant.client, 'Lease', 'The tenant of the flat pays the lease on the third working day. No whale may be kept.', { database: 'contracts' }),
    ]);
    ids = { whales, tea, lease };
    // A far larger neighbour who writes about the same.
    await Promise.all(Array.from({ length: 20 }, (_, at) => ingestText(neighbour.client, `Whales ${at}`, `Whale watching, volume ${at}. The blue whale, the grey whale and the largest animal. `.repeat(20), { chunk_size: 200, chunk_overlap: 0 })));
  }, 60_000);
  afterAll(() => server.stop());

  async function search(body: object, client = tenant.client): Promise<Result[]> {
    const answer = await client.post<{ results: Result[]; detail?: string }>('/api/v1/search', body);
    expect([answer.status, answer.body.detail]).toEqual([200, undefined]);
    return answer.body.results;
  }
  const documentsOf = (results: Result[]): string[] => results.map(({ citation }) => citation.document_id);

  it.each([
    ['hybrid', ['keyword', 'vector']],
    ['vector', ['vector']],
    ['keyword', ['keyword']],
  ])('by %s finds the passage and says by what', async (mode, parts) => {
    const [best] = await search({ query: 'largest animal', mode });
    expect(best).toMatchObject({ text: 'The blue whale is the largest animal that has ever lived.', metadata: { topic: 'sea' }, citation: { document_id: ids['whales'], document_title: 'Whales' } });
    expect(Object.keys(best!.scores).toSorted()).toEqual(parts);
    expect(best!.score).toBeGreaterThan(0);
  });

  it('answers with an id, its time and the documents it found, and is hybrid by default', async () => {
    const { body } = await tenant.client.post('/api/v1/search', { query: 'whale' });
    expect(body).toMatchObject({ query_id: expect.stringMatching(/^[0-9a-f-]{36}$/), took_ms: expect.any(Number), warnings: [] });
    expect(body.documents).toEqual(expect.arrayContaining([{ id: ids['whales'], title: 'Whales', count: 1 }, { id: ids['lease'], title: 'Lease', count: 1 }]));
    expect(body.results).toEqual(await search({ query: 'whale', mode: 'hybrid' }));
  });

  it.each(MODES)('by %s shows nothing of a neighbour, and finds the few of one’s own beside his many', async (mode) => {
    const own = await search({ query: 'whale watching volume', mode, top_k: 100 });
    expect(documentsOf(own).filter((id) => !Object.values(ids).includes(id))).toEqual([]);
    expect(documentsOf(own)).toContain(ids['whales']);
    const theirs = await search({ query: 'whale watching volume', mode, top_k: 100 }, neighbour.client);
    expect(theirs).toHaveLength(100);
    expect(documentsOf(theirs).filter((id) => Object.values(ids).includes(id))).toEqual([]);
  });

  it('keeps to the databases that are named, by id or by name', async () => {
    const all = await search({ query: 'whale' });
    expect(documentsOf(all).toSorted()).toEqual(expect.arrayContaining([ids['whales'], ids['lease']]));
    for (const named of [{ database_ids: [contracts] }, { databases: ['contracts'] }, { database_ids: [contracts], databases: ['contracts'] }, { database_ids: [contracts.toUpperCase()] }]) {
      expect(documentsOf(await search({ query: 'whale', ...named }))).toEqual([ids['lease']]);
    }
    expect(documentsOf(await search({ query: 'whale', databases: ['default', 'contracts'] })).toSorted()).toEqual(documentsOf(all).toSorted());
  });

  it('keeps to the documents that are named', async () => {
    for (const mode of MODES) {
      expect(documentsOf(await search({ query: 'whale tea lease', mode, document_ids: [ids['tea']] }))).toEqual([ids['tea']]);
      expect(documentsOf(await search({ query: 'whale tea lease', mode, document_ids: [ids['tea']!.toUpperCase()] }))).toEqual([ids['tea']]);
      expect(await search({ query: 'whale', mode, databases: ['contracts'], document_ids: [ids['whales']] })).toEqual([]);
    }
  });

  it('with a key that is bound to databases never leaves them', async () => {
    const bound = await createKey(tenant.client, ['search', 'read'], { database_ids: [contracts] });
    expect(documentsOf(await search({ query: 'whale' }, bound.client))).toEqual([ids['lease']]);
    expect(documentsOf(await search({ query: 'whale', database_ids: [contracts.toUpperCase()] }, bound.client))).toEqual([ids['lease']]);
    expect(await search({ query: 'whale', document_ids: [ids['whales']] }, bound.client)).toEqual([]);
    const elsewhere = await bound.client.post('/api/v1/search', { query: 'whale', databases: ['default'] });
    const missing = await bound.client.post('/api/v1/search', { query: 'whale', databases: ['unknown'] });
    expect(elsewhere.status).toBe(404);
    expect({ ...elsewhere.body, request_id: '' }).toEqual({ ...missing.body, request_id: '' });
    expect((await bound.client.get(`/api/v1/databases/${contracts.toUpperCase()}`)).status).toBe(200);
    expect((await bound.client.get(`/api/v1/documents/${ids['whales']}`)).status).toBe(404);
  });

  it('needs the permission to search', async () => {
    const reader = await createKey(tenant.client, ['read']);
    expect(await reader.client.post('/api/v1/search', { query: 'x' })).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
  });

  it('answers the same in the same order every time', async () => {
    for (const mode of MODES) {
      const ask = () => search({ query: 'blue whale', mode, top_k: 50 }, neighbour.client);
      const first = await ask();
      for (const again of await Promise.all([ask(), ask(), ask()])) expect(again.map(({ chunk_id, score }) => [chunk_id, score])).toEqual(first.map(({ chunk_id, score }) => [chunk_id, score]));
      expect(first.map(({ score }) => score)).toEqual(first.map(({ score }) => score).toSorted((a, b) => b - a));
      // Fewer are the first of more.
      expect((await search({ query: 'blue whale', mode: mode === 'hybrid' ? 'vector' : mode, top_k: 5 }, neighbour.client)).length).toBe(5);
    }
  });

  it.each([
    "'; DROP TABLE documents; --", '" OR 1=1', "it's", '(((', 'a AND (b OR NOT c) +d -e ~f* ^g "h', 'field:value', '*', '?', '\\', '%', '/.*/', '[1 TO 5]', '🐋', '鲸', 'ﷺ', 'e\u0301', '\u202e', '\ud800', 'a\u0000b', '\t\n x', 'null', '{"$ne":1}', 'x'.repeat(2000), 'the of and',
  ])('takes the query %j as words and nothing else', async (query) => {
    for (const mode of MODES) {
      const { status } = await tenant.client.post('/api/v1/search', { query, mode });
      expect([mode, status]).toEqual([mode, 200]);
    }
  });

  it.each([
    [{ query: '' }, 'query'], [{ query: ' \n' }, 'query'], [{ query: 'x'.repeat(2001) }, 'query'], [{ query: 7 }, 'query'], [{}, 'query'],
    [{ query: 'x', mode: 'magic' }, 'mode'], [{ query: 'x', top_k: 0 }, 'top_k'], [{ query: 'x', top_k: 101 }, 'top_k'], [{ query: 'x', top_k: 1.5 }, 'top_k'], [{ query: 'x', top_k: '5' }, 'top_k'],
    [{ query: 'x', database_ids: [] }, 'database_ids'], [{ query: 'x', database_ids: ["' OR 1=1"] }, 'database_ids'], [{ query: 'x', document_ids: 'all' }, 'document_ids'], [{ query: 'x', databases: [1] }, 'databases'], [{ query: 'x', tenant_id: 'y' }, 'tenant_id'],
  ])('refuses %j', async (body, field) => {
    expect(await tenant.client.post('/api/v1/search', body)).toMatchObject({ status: 400, body: { code: 'validation_failed', errors: [{ field }] } });
  });

  it('never shows a document that failed or was deleted, and at once not', async () => {
    const failed = await tenant.client.upload(makePdf(['']), 'blank.pdf');
    await waitForTask(tenant.client, failed.body.task_id);
    const id = await ingestText(tenant.client, 'Gone', 'The quagga is gone for good.');
    expect(documentsOf(await search({ query: 'quagga' }))).toContain(id);
    await tenant.client.delete(`/api/v1/documents/${id}`);
    for (const mode of MODES) expect(documentsOf(await search({ query: 'quagga', mode, top_k: 100 }))).not.toContain(id);
  });

  it('fills top_k although most of what the store finds may not be shown any more', async () => {
    const crowded = await createTenant(server.anonymous);
    const sentence = 'The nightingale sings at night in May. ';
    const hidden = await ingestText(crowded.client, 'Hidden', sentence.repeat(800), { chunk_size: 100, chunk_overlap: 0 });
    const shown = await ingestText(crowded.client, 'Shown', 'A nightingale was heard. '.repeat(80), { chunk_size: 100, chunk_overlap: 0 });
    // As in the moment before its vectors are removed: the rows know, the store does not yet.
    await server.database.query(`UPDATE documents SET state = 'DELETED' WHERE id = $1`, [hidden]);
    for (const mode of MODES) {
      const results = await search({ query: 'nightingale sings at night in May', mode, top_k: 10 }, crowded.client);
      expect(documentsOf(results)).toEqual(Array(10).fill(shown));
    }
  });

  it('finds what was ingested the moment its job is finished', async () => {
    await Promise.all(
      Array.from({ length: 8 }, async (_, at) => {
        const word = `zyzzyva${String.fromCodePoint(97 + at).repeat(3)}`;
        const id = await ingestText(tenant.client, word, `A rare word is ${word}.`);
        expect(documentsOf(await search({ query: word, mode: 'keyword' }))).toEqual([id]);
      }),
    );
  });

  it('finds nothing in a database without documents, and says so with a 200', async () => {
    const fresh = await createTenant(server.anonymous);
    for (const mode of MODES) expect(await search({ query: 'anything', mode }, fresh.client)).toEqual([]);
    await eventually(() => fresh.client.get('/api/v1/tenant/info'), ({ status }) => status === 200);
  });
});
