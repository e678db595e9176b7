import type { ApiClient } from '../support/api-client.js';
import { administrator, createKey, createTenant, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';
import { WebServer } from '../support/web-server.js';

const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';
const MARKDOWN = '# Gulls\n\nGulls nest on cliffs 🪶 by the sea.\n\n## Eggs\n\nTheir eggs are speckled.\n';

describe('documents', () => {
  let server: TestApp;
  let site: WebServer;
  let tenant: Tenant;
  let client: ApiClient;
  const ids: Record<string, string> = {};

  beforeAll(async () => {
    site = await WebServer.start();
    server = await TestApp.start({ OUTBOUND_ALLOW: site.host });
    tenant = await createTenant(server.anonymous);
    ({ client } = tenant);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null });
    for (const [title, content] of Object.entries({ Bravo: 'b'.repeat(300), alpha: 'a'.repeat(10), Charlie: 'c'.repeat(50), 'Ärger 100%|.': 'd'.repeat(20) })) ids[title] = await ingestText(client, title, content);
    const { body } = await client.upload(MARKDOWN, 'Möwen; am Meer.md', { fields: { title: 'Gulls', metadata: '{"topic":"birds"}', chunk_size: '100', chunk_overlap: '0' } });
    await waitForTask(client, body.task_id);
    ids['Gulls'] = body.document_id;
  });
  afterAll(async () => {
    await server.stop();
    await site.stop();
  });

  const list = async (query: string, by = client) => (await by.get(`/api/v1/documents?${query}`)).body;
  const titles = (body: { documents: { title: string }[] }) => body.documents.map(({ title }) => title);

  describe('are listed', () => {
    it.each([
      ['sort_by=size_bytes&sort_order=asc', ['alpha', 'Ärger 100%|.', 'Charlie', 'Gulls', 'Bravo']],
      ['sort_by=size_bytes', ['Bravo', 'Gulls', 'Charlie', 'Ärger 100%|.', 'alpha']],
      ['sort_order=asc', ['Bravo', 'alpha', 'Charlie', 'Ärger 100%|.', 'Gulls']],
      ['', ['Gulls', 'Ärger 100%|.', 'Charlie', 'alpha', 'Bravo']],
      ['sort_by=created_at&type=txt', []],
    ])('in the order of %s, the same in pages of two as in one', async (query, expected) => {
      expect(titles(await list(query))).toEqual(expected);
      const paged: string[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page: any = await list(`${query}&limit=2${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);
        paged.push(...titles(page));
        cursor = page.next_cursor;
      }
      expect(paged).toEqual(expected);
    });

    it('by title and by their last change, in both directions, also for a key that is bound to their database', async () => {
      const bound = (await createKey(client, ['read'], { database_ids: [(await client.get('/api/v1/databases')).body.databases[0].id] })).client;
      for (const by of [client, bound]) {
        for (const sort of ['title', 'updated_at', 'created_at']) {
          const [up, down] = [titles(await list(`sort_by=${sort}&sort_order=asc`, by)), titles(await list(`sort_by=${sort}&sort_order=desc`, by))];
          expect(up).toHaveLength(5);
          expect(up).toEqual(down.toReversed());
          const first: any = await list(`sort_by=${sort}&sort_order=asc&limit=3`, by);
          const rest: any = await list(`sort_by=${sort}&sort_order=asc&limit=3&cursor=${first.next_cursor}`, by);
          expect([...titles(first), ...titles(rest)]).toEqual(up);
        }
      }
    });

    it('between two times, and counted when asked', async () => {
      const { created_at: at } = (await client.get(`/api/v1/documents/${ids['Charlie']}`)).body;
      expect(titles(await list(`created_after=${at}`))).toEqual(['Gulls', 'Ärger 100%|.']);
      expect(titles(await list(`created_before=${at}`))).toEqual(['alpha', 'Bravo']);
      expect(await list('include_total=true&limit=1&type=md')).toMatchObject({ total: 5, has_more: true });
      expect(await list('limit=1')).not.toHaveProperty('total');
    });

    it('and a cursor is good for its own order only', async () => {
      const { next_cursor } = await list('sort_by=title&limit=1');
      for (const query of ['', 'sort_by=size_bytes', 'sort_by=title&sort_order=asc', 'sort_by=title&type=md']) {
        expect((await client.get(`/api/v1/documents?${query}&limit=1&cursor=${next_cursor}`)).status).toBe(400);
      }
      for (const bad of ['sort_by=secret', 'sort_order=up', 'created_after=yesterday']) expect((await client.get(`/api/v1/documents?${bad}`)).status).toBe(400);
    });
  });

  it('are counted by state, type and database', async () => {
    const [database] = (await client.get('/api/v1/databases')).body.databases;
    const stats = (await client.get('/api/v1/documents/stats')).body;
    expect(stats).toMatchObject({ total: 5, by_state: { INGESTED: 5 }, by_type: { md: 5 }, by_database: { [database.id]: 5 }, size_bytes: 380 + Buffer.byteLength(MARKDOWN) });
    expect((await client.get(`/api/v1/documents/stats?database_id=${database.id}`)).body).toEqual(stats);
    expect((await client.get(`/api/v1/documents/stats?database_id=${UNKNOWN}`)).body).toMatchObject({ total: 0, by_state: {} });
    expect((await (await createTenant(server.anonymous)).client.get('/api/v1/documents/stats')).body).toMatchObject({ total: 0, chunks: 0 });
  });

  it('change their title and metadata, which citations show', async () => {
    const id = await ingestText(client, 'Old', 'A cormorant dries its wings.', { metadata: { a: 1 } });
    expect(await client.patch(`/api/v1/documents/${id}`, { title: 'New' })).toMatchObject({ status: 200, body: { title: 'New', metadata: { a: 1 } } });
    expect(await client.patch(`/api/v1/documents/${id}`, { metadata: { b: { toString: 2 } } })).toMatchObject({ status: 200, body: { title: 'New', metadata: { b: { toString: 2 } } } });
    const [hit] = (await client.post('/api/v1/search', { query: 'cormorant' })).body.results;
    expect(hit).toMatchObject({ citation: { document_title: 'New' }, metadata: { b: { toString: 2 } } });
    for (const bad of [{ title: '' }, { title: null }, { metadata: [] }, { state: 'DELETED' }, { title: 'x'.repeat(501) }]) expect((await client.patch(`/api/v1/documents/${id}`, bad)).status).toBe(400);
    await client.delete(`/api/v1/documents/${id}`);
    expect((await client.patch(`/api/v1/documents/${id}`, { title: 'Again' })).status).toBe(404);
  });

  describe('can be read:', () => {
    it('the file as it was sent, as an attachment that no browser runs', async () => {
      const response = await fetch(`${server.url}/api/v1/documents/${ids['Gulls']}/content`, { headers: { authorization: `Bearer ${tenant.token}` } });
      expect(await response.text()).toBe(MARKDOWN);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'content-type': 'text/markdown',
        'content-length': String(Buffer.byteLength(MARKDOWN)),
        'content-disposition': expect.stringMatching(/^attachment; filename=.*filename\*=UTF-8''M%C3%B6wen%3B%20am%20Meer\.md$/),
        'content-security-policy': "sandbox; default-src 'none'",
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      });
    });

    it('the text that was read in it, whose code points the chunks count', async () => {
      const response = await fetch(`${server.url}/api/v1/documents/${ids['Gulls']}/text`, { headers: { authorization: `Bearer ${tenant.token}` } });
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      const text = [...(await response.text())];
      const { body } = await client.get(`/api/v1/documents/${ids['Gulls']}/chunks`);
      expect(body.chunks.length).toBeGreaterThan(1);
      for (const chunk of body.chunks) expect(chunk.text).toBe(text.slice(chunk.char_start, chunk.char_end).join(''));
      expect(body.chunks.at(-1)).toMatchObject({ document_id: ids['Gulls'], version: 1, heading_path: ['Gulls', 'Eggs'], page_from: null, metadata: { topic: 'birds' } });
    });

    it('the chunks page by page, and from the beginning again when another version is served', async () => {
      const id = await ingestText(client, 'Long', Array.from({ length: 5 }, (_, at) => `${at}`.repeat(99)).join('\n\n'), { chunk_size: 100, chunk_overlap: 0 });
      const first = (await client.get(`/api/v1/documents/${id}/chunks?limit=2&include_total=true`)).body;
      expect(first).toMatchObject({ total: 5, has_more: true, chunks: [{ index: 0 }, { index: 1 }] });
      const second = (await client.get(`/api/v1/documents/${id}/chunks?limit=3&cursor=${first.next_cursor}`)).body;
      expect(second).toMatchObject({ has_more: false, next_cursor: null, chunks: [{ index: 2 }, { index: 3 }, { index: 4 }] });
      await waitForTask(client, (await client.post(`/api/v1/documents/${id}/reprocess`)).body.task_id);
      expect((await client.get(`/api/v1/documents/${id}/chunks?cursor=${first.next_cursor}`)).status).toBe(400);
      expect((await client.get(`/api/v1/documents/${id}/chunks`)).body.chunks).toMatchObject([{ version: 2 }, {}, {}, {}, {}]);
    });

    it('of one that failed the file, but no text and no chunks', async () => {
      const { body } = await client.upload(' \n ', 'blank.md');
      await waitForTask(client, body.task_id);
      expect((await client.get(`/api/v1/documents/${body.document_id}/content`)).status).toBe(200);
      expect(await client.get(`/api/v1/documents/${body.document_id}/text`)).toMatchObject({ status: 409, body: { code: 'not_ingested', state: 'FAILED', retryable: false } });
      expect((await client.get(`/api/v1/documents/${body.document_id}/chunks`)).body.chunks).toEqual([]);
    });
  });

  describe('in a batch', () => {
    const batch = (document_ids: unknown, operation: string) => client.post('/api/v1/documents/batch', { document_ids, operation });

    it('are each treated as if alone: what cannot be done is told, and the rest is done', async () => {
      const one = await ingestText(client, 'One of a batch', 'The first of two.');
      const two = await ingestText(client, 'Two of a batch', 'The second of two.');
      await client.post(`/api/v1/documents/${two}/deprecate`);
      const deprecated = await batch([one, two, UNKNOWN], 'deprecate');
      expect(deprecated).toMatchObject({ status: 200, body: { operation: 'deprecate', succeeded: [{ document_id: one, task_id: null }] } });
      expect(Object.fromEntries(deprecated.body.failed.map(({ document_id, problem }: any) => [document_id, problem.code]))).toEqual({ [two]: 'illegal_transition', [UNKNOWN]: 'not_found' });
      expect((await batch([one.toUpperCase(), two], 'restore')).body).toMatchObject({ succeeded: [{}, {}], failed: [] });
      const { succeeded } = (await batch([one, two], 'reprocess')).body;
      for (const { task_id } of succeeded) expect(await waitForTask(client, task_id)).toMatchObject({ status: 'completed', result: { version: 2 } });
      expect((await batch([one, two], 'delete')).body.succeeded).toHaveLength(2);
      for (const id of [one, two]) expect((await client.get(`/api/v1/documents/${id}`)).status).toBe(404);
    });

    it('are refused when the request itself is wrong', async () => {
      for (const bad of [[], [UNKNOWN, UNKNOWN], ['x'], UNKNOWN, [[UNKNOWN]], Array.from({ length: 1001 }, (_, at) => `019a0000-0000-7000-8000-${String(at).padStart(12, '0')}`)]) expect((await batch(bad, 'delete')).status).toBe(400);
      expect((await batch([UNKNOWN], 'purge')).status).toBe(400);
    });
  });

  describe('that were fetched', () => {
    const page = (words: string) => `<!doctype html><title>News</title><h1>News</h1><p>${words}</p>`;

    it('are refreshed on demand: a new version when the page has changed, and nothing when it has not', async () => {
      const url = site.serve('/news', page('An osprey was seen.'), { 'content-type': 'text/html' });
      const { body } = await client.post('/api/v1/ingest/url', { url, title: 'The news', metadata: { kept: true } });
      await waitForTask(client, body.task_id);
      const refresh = () => client.post(`/api/v1/documents/${body.document_id}/refresh`);
      expect(await refresh()).toMatchObject({ status: 200, body: { status: 'unchanged', task_id: null, document_id: body.document_id } });
      site.serve('/news', page('A condor was seen.'), { 'content-type': 'text/html' });
      const changed = await refresh();
      expect(changed).toMatchObject({ status: 200, body: { status: 'pending', document_id: body.document_id } });
      expect(await waitForTask(client, changed.body.task_id)).toMatchObject({ status: 'completed' });
      expect((await client.get(`/api/v1/documents/${body.document_id}`)).body).toMatchObject({ version: 2, title: 'The news', metadata: { kept: true }, source_url: url });
      const found = (await client.post('/api/v1/search', { query: 'condor osprey', mode: 'keyword' })).body.results.map(({ text }: { text: string }) => text).join();
      expect(found).toContain('condor');
      expect(found).not.toContain('osprey');
    });

    it('are as before when the page is gone, and what was sent has nothing to be fetched from', async () => {
      const url = site.serve('/gone', page('A dodo was seen.'), { 'content-type': 'text/html' });
      const { body } = await client.post('/api/v1/ingest/url', { url });
      await waitForTask(client, body.task_id);
      delete site.pages['/gone'];
      expect(await client.post(`/api/v1/documents/${body.document_id}/refresh`)).toMatchObject({ status: 422, body: { code: 'url_answered' } });
      expect((await client.get(`/api/v1/documents/${body.document_id}`)).body).toMatchObject({ state: 'INGESTED', version: 1 });
      expect(await client.post(`/api/v1/documents/${ids['Gulls']}/refresh`)).toMatchObject({ status: 422, body: { code: 'no_source_url' } });
      expect((await client.post(`/api/v1/documents/${UNKNOWN}/refresh`)).status).toBe(404);
    });
  });
});
