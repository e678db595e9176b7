import { makePdf } from '../fixtures/make.js';
import { createKey, createTenant, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

const SENTENCE = 'The lighthouse keeper of Inishtrahull counted nine hundred puffins.';

describe('the main job', () => {
  let server: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    tenant = await createTenant(server.anonymous);
  });
  afterAll(() => server.stop());

  it('takes a PDF from a key to a cited sentence, and charges exactly what is stored', async () => {
    const key = await createKey(tenant.client, ['read', 'ingest', 'search']);
    const pdf = makePdf(['A first page about nothing in particular.', SENTENCE]);
    const accepted = await key.client.upload(pdf, 'birds.pdf', { type: 'application/pdf', fields: { metadata: '{"year":1987}' } });
    expect(accepted).toMatchObject({ status: 202, body: { status: 'pending' } });
    expect(await waitForTask(key.client, accepted.body.task_id)).toMatchObject({ status: 'completed', progress: 1 });

    const found = await key.client.post('/api/v1/search', { query: 'how many puffins did the keeper count' });
    expect(found.status).toBe(200);
    expect(found.body.results[0].text).toContain('nine hundred puffins');
    expect(found.body.results[0].citation).toMatchObject({ document_id: accepted.body.document_id, page_from: 1, page_to: 2, version: 1 });
    expect(found.body.results[0].metadata).toEqual({ year: 1987 });

    const info = await tenant.client.get('/api/v1/tenant/info');
    const chunks = (await key.client.get(`/api/v1/documents/${accepted.body.document_id}`)).body.chunks;
    const used = Object.fromEntries(info.body.quotas.quotas.map((quota: { resource_type: string; used: number; used_bytes?: number }) => [quota.resource_type, quota.used_bytes ?? quota.used]));
    expect(used).toMatchObject({ documents: 1, storage_mb: pdf.length, vector_points: chunks, databases: 1, api_keys: 1 });
    const collections = await key.client.get('/api/v1/tenant/collections');
    expect(collections.body.collections).toEqual([`user_${tenant.userId}_default`]);
  });

  it('shows another tenant nothing of it', async () => {
    const stranger = await createTenant(server.anonymous);
    const id = await ingestText(tenant.client, 'Secret', 'The treasure is buried under the third oak.');
    const missing = await stranger.client.get('/api/v1/documents/00000000-0000-7000-8000-000000000000');
    const foreign = await stranger.client.get(`/api/v1/documents/${id}`);
    expect(foreign.status).toBe(404);
    const anonymised = (body: Record<string, unknown>) => ({ ...body, request_id: '', instance: '' });
    expect(anonymised(foreign.body)).toEqual(anonymised(missing.body));
    expect((await stranger.client.post('/api/v1/search', { query: 'treasure third oak' })).body.results).toEqual([]);
    expect((await stranger.client.get('/api/v1/documents')).body.documents).toEqual([]);
    expect((await stranger.client.delete(`/api/v1/documents/${id}`)).status).toBe(404);
  });
});
