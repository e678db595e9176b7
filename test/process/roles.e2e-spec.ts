import type { ApiClient } from '../support/api-client.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { createTenant, eventually, ingestText } from '../support/factories.js';
import type { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';

describe('an api process and worker processes', () => {
  let embeddings: EmbeddingServer;
  let server: TestApp;
  let client: ApiClient;
  /** The one that works at present; each test goes on with the one that the test before has left. */
  let worker: ServerProcess;

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    server = await TestApp.start({ ROLE: 'api', ...embeddings.env });
    client = (await createTenant(server.anonymous)).client;
  });
  afterEach(() => embeddings.release());
  afterAll(async () => {
    await worker.end('SIGKILL');
    await server.stop();
    await embeddings.stop();
  });

  async function startWorker(): Promise<void> {
    worker = await server.processBeside({ ...embeddings.env, ROLE: 'worker' });
  }

  async function send(content: string): Promise<string> {
    const { status, body } = await client.post('/api/v1/ingest/text', { title: 'A note', content, chunk_size: 100, chunk_overlap: 0 });
    expect(status).toBe(202);
    return body.task_id as string;
  }

  async function ended(jobId: string, timeoutMs: number): Promise<Record<string, unknown>> {
    const look = async () => (await client.get<Record<string, unknown>>(`/api/v1/jobs/${jobId}`)).body;
    return eventually(look, ({ status }) => status === 'FINISHED' || status === 'FAILED', timeoutMs);
  }

  it('divide the work: the api accepts, a worker processes', async () => {
    const jobId = await send('Accepted before there was a worker.');
    expect((await client.get(`/api/v1/jobs/${jobId}`)).body).toMatchObject({ status: 'PENDING', attempt: 0 });
    await startWorker();
    expect(await ended(jobId, 20_000)).toMatchObject({ status: 'FINISHED', attempt: 1 });
    expect(await ingestText(client, 'Another', 'Accepted while there is a worker.')).toBeTruthy();
  });

  it('differ in what they serve: a worker answers /health and /metrics and nothing else', async () => {
    for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) expect((await worker.client.get(path)).status).toBe(200);
    for (const path of ['/docs', '/openapi.json', '/auth/me', '/api/v1/documents']) expect((await worker.client.get(path)).status).toBe(404);
    expect((await worker.client.post('/auth/login', { email: 'a@example.com', password: 'whatever-it-is' })).status).toBe(404);
  });

  it('lose no job to a SIGKILL: another worker finishes it within a minute, as attempt 2, and embeds only what is left', async () => {
    const [asked, before] = [embeddings.requests, embeddings.embedded.length];
    embeddings.hold(1);
    const jobId = await send(`The worker dies while it embeds this.\n\n${Array.from({ length: 100 }, (_, at) => `Paragraph ${at} is as long as a chunk has to be so that none other fits in beside it.`).join('\n\n')}`);
    await embeddings.received(asked + 2);
    await worker.end('SIGKILL');
    const answered = new Set(embeddings.embedded.slice(before, before + 64));
    embeddings.release();
    await startWorker();
    expect(await ended(jobId, 60_000)).toMatchObject({ status: 'FINISHED', attempt: 2, percentage: 100 });
    expect(answered.size).toBe(64);
    expect(embeddings.embedded.slice(before + 64).filter((text) => answered.has(text))).toEqual([]);
    expect((await client.post('/api/v1/search', { query: 'embeds' })).body.results.filter((hit: { text: string }) => hit.text.includes('dies'))).toHaveLength(1);
  }, 90_000);

  it('hand a job back on SIGTERM, within 30 s, for the next worker, without using up an attempt', async () => {
    embeddings.hold();
    const jobId = await send('The worker is asked to stop while it embeds this.');
    await eventually(async () => (await client.get(`/api/v1/jobs/${jobId}`)).body.stage, (stage) => stage === 'embedding');
    const begun = performance.now();
    expect(await worker.end('SIGTERM')).toBe(0);
    expect(performance.now() - begun).toBeLessThan(30_000);
    expect((await client.get(`/api/v1/jobs/${jobId}`)).body).toMatchObject({ status: 'PENDING' });
    embeddings.release();
    await startWorker();
    expect(await ended(jobId, 60_000)).toMatchObject({ status: 'FINISHED', attempt: 2, max_attempts: 6 });
    expect(await worker.end()).toBe(0);
  }, 120_000);
});
