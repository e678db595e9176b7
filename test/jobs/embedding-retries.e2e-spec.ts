import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { JobDto } from '../../src/jobs/dto/job.dto.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { administrator, createTenant, eventually, waitForTask, type Tenant } from '../support/factories.js';
import { quotasOf, setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const BATCH = 64;
/** Eight batches. */
const longText = (): string => Array.from({ length: 500 }, (_, at) => `${randomUUID()} is paragraph ${at} ${'of words '.repeat(6)}`).join('\n\n');

describe('a document that has to wait for something outside', () => {
  let embeddings: EmbeddingServer;
  let server: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    server = await TestApp.start(embeddings.env);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null });
    embeddings.embedded.length = 0;
  });
  afterEach(() => {
    embeddings.refuse(undefined);
    embeddings.release();
  });
  afterAll(async () => {
    await server.stop();
    await embeddings.stop();
  });

  async function send(): Promise<{ jobId: string; documentId: string }> {
    const { body } = await tenant.client.post('/api/v1/ingest/text', { title: 'A text', content: longText(), chunk_size: 130, chunk_overlap: 0 });
    return { jobId: body.task_id, documentId: body.document_id };
  }

  const job = async (id: string): Promise<JobDto> => (await tenant.client.get<JobDto>(`/api/v1/jobs/${id}`)).body;
  const waiting = (id: string) => eventually(() => job(id), ({ status, attempt }) => status === 'PENDING' && attempt > 0);

  /** How far ahead the next delivery is. */
  async function secondsUntilDelivery(id: string): Promise<number> {
    const [row] = await server.database.query<{ seconds: number }>(`SELECT extract(epoch FROM q.start_after - now())::float8 AS seconds FROM pgboss.job q JOIN jobs j ON j.delivery_id = q.id WHERE j.id = $1`, [id]);
    return row!.seconds;
  }
  const deliverNow = (id: string) => server.database.query('UPDATE pgboss.job q SET start_after = now() FROM jobs j WHERE j.delivery_id = q.id AND j.id = $1', [id]);

  async function checkpoints(documentId: string): Promise<number> {
    return (await server.database.query('SELECT FROM embedding_checkpoints WHERE document_id = $1', [documentId])).length;
  }

  /** Every text was paid for once. */
  async function expectNothingTwice(documentId: string): Promise<void> {
    const { chunks } = (await tenant.client.get(`/api/v1/documents/${documentId}`)).body as { chunks: number };
    expect(chunks).toBeGreaterThan(6 * BATCH);
    expect([embeddings.embedded.length, new Set(embeddings.embedded).size]).toEqual([chunks, chunks]);
    expect((await quotasOf(tenant.client))['vector_points']).toMatchObject({ used: chunks, reserved: 0 });
    expect(await checkpoints(documentId)).toBe(0);
  }

  it('waits at least so long, using up no attempt, and sends no finished batch again', async () => {
    const asked = embeddings.requests;
    embeddings.refuse((request) => (request === asked + 7 ? { status: 429, headers: { 'retry-after': '120' } } : undefined));
    const { jobId, documentId } = await send();
    expect(await waiting(jobId)).toMatchObject({ attempt: 1, max_attempts: 6, error: { code: 'rate_limited', retryable: true }, end_date: null });
    const seconds = await secondsUntilDelivery(jobId);
    expect(seconds).toBeGreaterThan(110);
    expect(seconds).toBeLessThan(135);
    expect(embeddings.embedded).toHaveLength(6 * BATCH);
    expect(await checkpoints(documentId)).toBe(6);
    await deliverNow(jobId);
    expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed' });
    expect(await job(jobId)).toMatchObject({ attempt: 2, max_attempts: 6, percentage: 100 });
    await expectNothingTwice(documentId);
  });

  it('waits within the attempt when it is only for a moment', async () => {
    const asked = embeddings.requests;
    embeddings.refuse((request) => (request === asked + 3 ? { status: 429, headers: { 'retry-after': '1' } } : undefined));
    const { jobId, documentId } = await send();
    expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed' });
    expect(await job(jobId)).toMatchObject({ attempt: 1, max_attempts: 5 });
    expect(embeddings.askedAt[asked + 3]! - embeddings.askedAt[asked + 2]!).toBeGreaterThanOrEqual(990);
    await expectNothingTwice(documentId);
  });

  it('fails with the provider’s code when that is for longer than anybody waits, and is not paid for twice when it is tried again', async () => {
    const asked = embeddings.requests;
    embeddings.refuse((request) => (request > asked + 4 ? { status: 429, headers: { 'retry-after': '86400' } } : undefined));
    const { jobId, documentId } = await send();
    expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'failed', error: 'rate_limited: The embedding server answered 429.' });
    expect(await job(jobId)).toMatchObject({ attempt: 1, error: { code: 'rate_limited', retryable: true } });
    embeddings.refuse(undefined);
    expect((await tenant.client.post(`/api/v1/jobs/${jobId}/retry`)).status).toBe(202);
    expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed' });
    await expectNothingTwice(documentId);
  });

  it('waits for a vector store that is away, using up no attempt, and is found once it is back', async () => {
    const vectors = path.join(server.dataDir, 'vectors');
    // Where its directory was, there is a file: LanceDB finds that out for itself.
    await rename(vectors, `${vectors}.aside`);
    await writeFile(vectors, 'This is no directory.');
    const { jobId, documentId } = await send();
    try {
      for (const attempt of [1, 2]) {
        const put = await eventually(() => job(jobId), (seen) => seen.status === 'PENDING' && seen.attempt === attempt);
        expect(put).toMatchObject({ max_attempts: 5 + attempt, error: { code: 'vector_store_unavailable', retryable: true }, end_date: null });
        expect(await secondsUntilDelivery(jobId)).toBeGreaterThan(5);
        if (attempt === 1) await deliverNow(jobId);
      }
    } finally {
      await rm(vectors);
      await rename(`${vectors}.aside`, vectors);
    }
    await deliverNow(jobId);
    expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed' });
    expect(await job(jobId)).toMatchObject({ attempt: 3, max_attempts: 7, error: null });
    await expectNothingTwice(documentId);
    expect((await tenant.client.post('/api/v1/search', { query: 'paragraph 499', mode: 'keyword', top_k: 1 })).body.results).toMatchObject([{ citation: { document_id: documentId } }]);
  });

  it('loses nothing with a worker that fell silent', async () => {
    const asked = embeddings.requests;
    embeddings.hold(4);
    const { jobId, documentId } = await send();
    await embeddings.received(asked + 5);
    expect(await checkpoints(documentId)).toBe(4);
    await server.database.query('UPDATE jobs SET lease_expires_at = now() WHERE id = $1', [jobId]);
    await eventually(() => job(jobId), ({ status, attempt }) => status === 'PENDING' || attempt > 1);
    const before = new Set(embeddings.embedded.slice(0, 4 * BATCH));
    embeddings.release();
    expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed' });
    expect((await job(jobId)).attempt).toBeGreaterThan(1);
    expect(embeddings.embedded.slice(4 * BATCH).filter((text) => before.has(text))).toEqual([]);
    expect(await checkpoints(documentId)).toBe(0);
  });

  it('leaves no vectors when it is deleted meanwhile', async () => {
    const asked = embeddings.requests;
    embeddings.refuse((request) => (request === asked + 3 ? { status: 503, headers: { 'retry-after': '300' } } : undefined));
    const { jobId, documentId } = await send();
    await waiting(jobId);
    expect(await checkpoints(documentId)).toBe(2);
    expect((await tenant.client.delete(`/api/v1/documents/${documentId}`)).status).toBe(204);
    expect(await checkpoints(documentId)).toBe(0);
  });
});
