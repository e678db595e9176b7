import type { ApiClient } from '../support/api-client.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { createTenant, eventually, ingestText } from '../support/factories.js';
import { Sandbox } from '../support/sandbox.js';
import type { ServerProcess } from '../support/server-process.js';

describe('an api process and worker processes', () => {
  const sandbox = new Sandbox();
  let embeddings: EmbeddingServer;
  let env: Record<string, string>;
  let api: ServerProcess;
  let client: ApiClient;

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    env = { DATA_DIR: await sandbox.dataDir(), ...embeddings.env };
    api = await sandbox.start({ ...env, ROLE: 'api' });
    client = (await createTenant(api.client)).client;
  });
  afterEach(() => embeddings.release());
  afterAll(async () => {
    await sandbox.clean();
    await embeddings.stop();
  });

  const startWorker = (): Promise<ServerProcess> => sandbox.start({ ...env, ROLE: 'worker' });

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
    const worker = await startWorker();
    expect(await ended(jobId, 20_000)).toMatchObject({ status: 'FINISHED', attempt: 1 });
    expect(await ingestText(client, 'Another', 'Accepted while there is a worker.')).toBeTruthy();
    expect(await worker.end()).toBe(0);
  });

  it('differ in what they serve: a worker answers /health and /metrics and nothing else', async () => {
    const worker = await startWorker();
    for (const path of ['/health', '/health/live', '/health/ready', '/metrics']) expect((await worker.client.get(path)).status).toBe(200);
    for (const path of ['/docs', '/openapi.json', '/auth/me', '/api/v1/documents']) expect((await worker.client.get(path)).status).toBe(404);
    expect((await worker.client.post('/auth/login', { email: 'a@example.com', password: 'whatever-it-is' })).status).toBe(404);
    expect(await worker.end()).toBe(0);
  });

  it('lose no job to a SIGKILL: another worker finishes it within a minute, as attempt 2, and embeds only what is left', async () => {
    const [asked, before] = [embeddings.requests, embeddings.embedded.length];
    embeddings.hold(1);
    const first = await startWorker();
    const jobId = await send(`The worker dies while it embeds this.\n\n${Array.from({ length: 100 }, (_, at) => `Paragraph ${at} is as long as a chunk has to be so that none other fits in beside it.`).join('\n\n')}`);
    await embeddings.received(asked + 2);
    await first.end('SIGKILL');
    const answered = new Set(embeddings.embedded.slice(before, before + 64));
    embeddings.release();
    const second = await startWorker();
    expect(await ended(jobId, 60_000)).toMatchObject({ status: 'FINISHED', attempt: 2, percentage: 100 });
    expect(answered.size).toBe(64);
    expect(embeddings.embedded.slice(before + 64).filter((text) => answered.has(text))).toEqual([]);
    expect((await client.post('/api/v1/search', { query: 'embeds' })).body.results.filter((hit: { text: string }) => hit.text.includes('dies'))).toHaveLength(1);
    expect(await second.end()).toBe(0);
  }, 90_000);

  it('hand a job back on SIGTERM, within 30 s, for the next worker, without using up an attempt', async () => {
    embeddings.hold();
    const first = await startWorker();
    const jobId = await send('The worker is asked to stop while it embeds this.');
    await eventually(async () => (await client.get(`/api/v1/jobs/${jobId}`)).body.stage, (stage) => stage === 'embedding');
    const begun = performance.now();
    expect(await first.end('SIGTERM')).toBe(0);
    expect(performance.now() - begun).toBeLessThan(30_000);
    expect((await client.get(`/api/v1/jobs/${jobId}`)).body).toMatchObject({ status: 'PENDING' });
    embeddings.release();
    const second = await startWorker();
    expect(await ended(jobId, 60_000)).toMatchObject({ status: 'FINISHED', attempt: 2, max_attempts: 6 });
    expect(await second.end()).toBe(0);
  }, 120_000);
});
