import { createTenant, eventually, ingestText, waitForTask } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

const KEYWORD = { query: 'lighthouse', mode: 'keyword' };

describe('the embedding model of a database', () => {
  it('is never mixed with another one, neither by an upload nor by a search nor by a job that waited', async () => {
    const server = await TestApp.start({ ROLE: 'api' });
    const tenant = await createTenant(server.anonymous);
    const waiting = await tenant.client.post('/api/v1/ingest/text', { title: 'Waits', content: 'For a worker.' });
    await server.database.query(`UPDATE databases SET embedding_model = 'another-model'`);
    const worker = await server.beside({ ROLE: 'all' });
    try {
      expect(await waitForTask(tenant.client, waiting.body.task_id)).toMatchObject({ status: 'failed', error: expect.stringContaining('embedding_model_changed') });
      expect(await tenant.client.post('/api/v1/ingest/text', { title: 'New', content: 'Words.' })).toMatchObject({ status: 409, body: { code: 'embedding_model_changed' } });
      expect(await tenant.client.post('/api/v1/search', { query: 'words' })).toMatchObject({ status: 409, body: { code: 'embedding_model_changed' } });
      await eventually(
        async () => (await tenant.client.get('/api/v1/tenant/info')).body.usage_stats as Record<string, number>,
        (used) => used['documents'] === 0 && used['storage_mb'] === 0 && used['vector_points'] === 0,
      );
    } finally {
      await worker.app.close();
      await server.stop();
    }
  });

  it('that does not answer is a 503 which says what still works', async () => {
    const server = await TestApp.start();
    try {
      const tenant = await createTenant(server.anonymous);
      await ingestText(tenant.client, 'Light', 'The lighthouse is on the cliff.');
      const away = await server.beside({ EMBEDDING_PROVIDER: 'openai', EMBEDDING_URL: 'http://127.0.0.1:9/v1', EMBEDDING_MODEL: 'local-lexical-1024', EMBEDDING_DIMENSIONS: '1024' });
      const client = away.anonymous.asUser(tenant.token);
      const answer = await client.post('/api/v1/search', { query: 'lighthouse' });
      expect(answer).toMatchObject({ status: 503, body: { code: 'embedding_unavailable', retryable: true } });
      expect(answer.headers.get('retry-after')).toBe('2');
      expect((await client.post('/api/v1/search', KEYWORD)).body.results).toHaveLength(1);
      await away.app.close();
    } finally {
      await server.stop();
    }
  });
});
