import { CHUNKING_STRATEGIES } from '../../src/common/chunking.js';
import { MARKDOWN_PAGE } from '../fixtures/make.js';
import { blobsOf } from '../support/disk.js';
import { administrator, createKey, createTenant, waitForTask, type Tenant } from '../support/factories.js';
import { quotasOf, setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const PREVIEW = '/process/chunks';

const LONG = `${MARKDOWN_PAGE}\n\n## More 🐦\n\n${'Mr. Gull — 鷗 — flew over the pier. It was late! '.repeat(30)}\n\n### Deeper\n\n${'今天天气好。我们走吧！'.repeat(40)}\n\n## Last\n\nThe end.`;

describe('a preview of chunks', () => {
  let server: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null });
  });
  afterAll(() => server.stop());

  async function ingested(body: Record<string, unknown>): Promise<{ document: Record<string, unknown>; chunks: object[] }> {
    const accepted = await tenant.client.post('/api/v1/ingest/text', body);
    expect(accepted.status).toBe(202);
    expect(await waitForTask(tenant.client, accepted.body.task_id)).toMatchObject({ status: 'completed' });
    const chunks = await server.database.query<object>(
      'SELECT index, text, token_count, char_start, char_end, page_from, page_to, heading_path FROM document_chunks WHERE document_id = $1 ORDER BY index',
      [accepted.body.document_id],
    );
    return { document: (await tenant.client.get(`/api/v1/documents/${accepted.body.document_id}`)).body, chunks };
  }

  it.each(CHUNKING_STRATEGIES.flatMap((strategy) => [[strategy, 'text/markdown'] as const, [strategy, 'text/plain'] as const]))('shows exactly what ingestion makes, cut by %s, of %s', async (chunking_strategy, content_type) => {
    const options = { content: `\ufeff${LONG}\r\n${chunking_strategy} of ${content_type}`, content_type, chunking_strategy, chunk_size: 300, chunk_overlap: 60 };
    const { status, body } = await tenant.client.post(PREVIEW, options);
    const { document, chunks } = await ingested({ title: `By ${chunking_strategy}`, ...options });
    expect(chunks.length).toBeGreaterThan(5);
    expect([status, body]).toEqual([
      200,
      { chunks, total_chunks: chunks.length, total_tokens: (chunks as { token_count: number }[]).reduce((sum, each) => sum + each.token_count, 0), chunk_size: 300, chunk_overlap: 60, chunking_strategy },
    ]);
    expect(document).toMatchObject({ chunks: chunks.length, chunk_size: 300, chunk_overlap: 60, chunking_strategy });
  });

  it('takes the tenant’s defaults for what is left out, as ingestion does, and is Markdown cut recursively', async () => {
    expect((await tenant.client.patch('/api/v1/tenant/configuration', { default_chunk_size: 250, default_chunk_overlap: 20 })).status).toBe(200);
    const { body } = await tenant.client.post(PREVIEW, { content: LONG });
    const { document, chunks } = await ingested({ title: 'Defaults', content: LONG });
    expect(body).toMatchObject({ chunks, chunk_size: 250, chunk_overlap: 20, chunking_strategy: 'recursive' });
    expect(document).toMatchObject({ chunk_size: 250, chunk_overlap: 20, chunking_strategy: 'recursive' });
    expect(await tenant.client.post(PREVIEW, { content: LONG, chunk_overlap: 250 })).toMatchObject({ status: 422, body: { code: 'invalid_chunking' } });
    expect((await tenant.client.patch('/api/v1/tenant/configuration', { default_chunk_size: null, default_chunk_overlap: null })).status).toBe(200);
  });

  it('takes the strategy of an upload from its form, too', async () => {
    const accepted = await tenant.client.upload('# A\n\nUploaded.', 'a.md', { fields: { chunking_strategy: 'heading' } });
    expect(accepted.status).toBe(202);
    expect((await tenant.client.get(`/api/v1/documents/${accepted.body.document_id}`)).body).toMatchObject({ chunking_strategy: 'heading', chunk_size: 2000, chunk_overlap: 200 });
    await waitForTask(tenant.client, accepted.body.task_id);
    expect(await tenant.client.upload('x', 'x.txt', { fields: { chunking_strategy: 'semantic' } })).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
  });

  it('stores and charges nothing', async () => {
    const before = [await quotasOf(tenant.client), await blobsOf(server), await server.database.query('SELECT count(*)::int AS n FROM documents')];
    expect((await tenant.client.post(PREVIEW, { content: 'Only looked at.' })).status).toBe(200);
    const after = [await quotasOf(tenant.client), await blobsOf(server), await server.database.query('SELECT count(*)::int AS n FROM documents')];
    const withoutCalls = ([quotas, ...rest]: unknown[]): unknown[] => [{ ...(quotas as object), api_calls_per_hour: null }, ...rest];
    expect(withoutCalls(after)).toEqual(withoutCalls(before));
  });

  it('needs the permission to process', async () => {
    const processing = await createKey(tenant.client, ['process']);
    expect((await processing.client.post(PREVIEW, { content: 'Text.' })).status).toBe(200);
    const others = await createKey(tenant.client, ['read', 'write', 'ingest', 'search']);
    expect(await others.client.post(PREVIEW, { content: 'Text.' })).toMatchObject({ status: 403 });
    expect(await server.anonymous.post(PREVIEW, { content: 'Text.' })).toMatchObject({ status: 401 });
  });

  it.each([
    ['no characters', { content: '' }, 422, 'empty_file'],
    ['blanks', { content: ' \n\t ' }, 422, 'no_text'],
    ['a PDF', { content: '%PDF-1.7\n%âãÏÓ\n1 0 obj' }, 415, 'type_mismatch'],
    ['a control character', { content: 'a\u0001b' }, 415, 'type_mismatch'],
    ['a character too many', { content: 'x'.repeat(1_000_001) }, 400, 'validation_failed'],
    ['an unknown strategy', { content: 'x', chunking_strategy: 'semantic' }, 400, 'validation_failed'],
    ['null for a strategy', { content: 'x', chunking_strategy: null }, 400, 'validation_failed'],
    ['another type', { content: 'x', content_type: 'text/html' }, 400, 'validation_failed'],
    ['an unknown field', { content: 'x', title: 'x' }, 400, 'validation_failed'],
    ['an overlap as large as a chunk', { content: 'x', chunk_size: 200, chunk_overlap: 200 }, 422, 'invalid_chunking'],
    ['no content', {}, 400, 'validation_failed'],
  ])('of %s is refused', async (_, body, status, code) => {
    expect(await tenant.client.post(PREVIEW, body)).toMatchObject({ status, body: { code } });
  });

  it('takes a million characters', async () => {
    const content = 'Öde Sätze stehen 🐦 herum. '.repeat(40_000).slice(0, 1_000_000);
    const { status, body } = await tenant.client.post(PREVIEW, { content, chunk_size: 100, chunk_overlap: 50 });
    expect([status, body.chunks.at(-1).char_end]).toEqual([200, Array.from(content.trimEnd()).length]);
  });
});
