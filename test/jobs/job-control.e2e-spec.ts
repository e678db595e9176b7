import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { VectorStore } from '../../src/databases/vector-stores/vector-store.js';
import type { JobDto } from '../../src/jobs/dto/job.dto.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { administrator, createKey, createTenant, eventually, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { quotasOf, setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

/** So soon a worker has to be free again. */
const NOTICED_MS = 5000;
/** Read one element after the other, for many seconds. */
const SLOW_PAGE = `<html><body>${'<table><tr><td>word <b>bold</b> and <i>more</i></td></tr></table>'.repeat(100_000)}</body></html>`;
const COUNTED = ['documents', 'storage_mb', 'vector_points'] as const;

/** Of this process, children that read a document. */
async function extractions(): Promise<number> {
  let found = 0;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    // One that ended meanwhile is none.
    const [stat, command] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile(`/proc/${pid}/cmdline`, 'utf8')]).catch(() => ['', '']);
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    if (Number(parent) === process.pid && command.includes('extraction.process')) found += 1;
  }
  return found;
}

describe('a job', () => {
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
  });
  afterEach(() => {
    embeddings.refuse(undefined);
    embeddings.release();
  });
  afterAll(async () => {
    await server.stop();
    await embeddings.stop();
  });

  interface Sent {
    jobId: string;
    documentId: string;
  }

  async function send(content = `Words of ${randomUUID()}.`, more: Record<string, unknown> = {}): Promise<Sent> {
    const { status, body } = await tenant.client.post('/api/v1/ingest/text', { title: 'A text', content, ...more });
    expect(status).toBe(202);
    return { jobId: body.task_id, documentId: body.document_id };
  }

  const job = async (id: string): Promise<JobDto> => (await tenant.client.get<JobDto>(`/api/v1/jobs/${id}`)).body;
  const cancel = (id: string) => tenant.client.post(`/api/v1/jobs/${id}/cancel`);
  const retry = (id: string) => tenant.client.post(`/api/v1/jobs/${id}/retry`);
  const inStage = (id: string, stage: string) => eventually(() => job(id), (seen) => seen.stage === stage);

  async function charged(): Promise<number[]> {
    const quotas = await quotasOf(tenant.client);
    return COUNTED.flatMap((name) => [quotas[name]!.used, quotas[name]!.reserved]);
  }
  const NOTHING = [0, 0, 0, 0, 0, 0];

  /** How many workers the queue has at the job. */
  async function workersAt(id: string): Promise<number> {
    const [row] = await server.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM pgboss.job WHERE data ->> 'jobId' = $1 AND state = 'active'`, [id]);
    return row!.n;
  }
  const workerIsFree = (id: string) => eventually(() => workersAt(id), (workers) => workers === 0, NOTICED_MS);
  const vectors = (): Promise<number> => server.app.get(VectorStore, { strict: false }).count(`user_${tenant.userId}_default`, tenant.tenantId);

  /** Cancelled for good: nothing of it is charged or comes back, and its worker is free for others. */
  async function expectCancelled({ jobId, documentId }: Sent): Promise<void> {
    expect(await cancel(jobId)).toMatchObject({ status: 200, body: { id: jobId, status: 'CANCELLED', summary: 'Cancelled', error: null, end_date: expect.any(String) } });
    expect((await tenant.client.get(`/api/v1/documents/${documentId}`)).body).toMatchObject({ state: 'FAILED', processing_error: { code: 'cancelled' } });
    expect(await charged()).toEqual(NOTHING);
    await workerIsFree(jobId);
    embeddings.release();
    await eventually(vectors, (count) => count === 0);
    expect(await job(jobId)).toMatchObject({ status: 'CANCELLED' });
    expect(await charged()).toEqual(NOTHING);
  }

  describe('that is cancelled', () => {
    it('stops while it is read, and so does the process that reads', async () => {
      const { body } = await tenant.client.upload(SLOW_PAGE, 'slow.html', { type: 'text/html' });
      await eventually(extractions, (count) => count === 1);
      await expectCancelled({ jobId: body.task_id, documentId: body.document_id });
      expect(await extractions()).toBe(0);
    });

    it('stops while it is cut', async () => {
      // So many chunks are more than it may have, and it would fail for that a second later.
      await setLimits(await administrator(server), tenant, { vector_points: null });
      embeddings.hold();
      const text = Array.from({ length: 400_000 }, (_, at) => `Sentence ${at}.`).join(' ');
      const { body } = await tenant.client.upload(text, 'long.txt', { type: 'text/plain', fields: { chunk_size: '100', chunk_overlap: '50' } });
      await inStage(body.task_id, 'chunking');
      await expectCancelled({ jobId: body.task_id, documentId: body.document_id });
    });

    it('stops while it is embedded, hanging up on the provider', async () => {
      const [asked, abandoned] = [embeddings.requests, embeddings.abandoned];
      embeddings.hold();
      const sent = await send();
      await embeddings.received(asked + 1);
      await expectCancelled(sent);
      expect(embeddings.abandoned).toBe(abandoned + 1);
    });

    it('leaves nothing that it is just storing', async () => {
      const store = server.app.get(VectorStore, { strict: false });
      const storing = Promise.withResolvers<void>();
      const mayGoOn = Promise.withResolvers<void>();
      const replace = store.replaceDocument.bind(store);
      store.replaceDocument = async (...points) => {
        await replace(...points);
        storing.resolve();
        await mayGoOn.promise;
      };
      try {
        const sent = await send();
        await storing.promise;
        expect(await vectors()).toBe(1);
        expect((await cancel(sent.jobId)).status).toBe(200);
        mayGoOn.resolve();
        await workerIsFree(sent.jobId);
        await eventually(vectors, (count) => count === 0);
        expect((await tenant.client.get(`/api/v1/documents/${sent.documentId}`)).body).toMatchObject({ state: 'FAILED', processing_error: { code: 'cancelled', stage: 'storing' } });
        expect((await tenant.client.get(`/api/v1/documents/${sent.documentId}/chunks`)).body.chunks).toEqual([]);
        expect(await charged()).toEqual(NOTHING);
      } finally {
        mayGoOn.resolve();
        store.replaceDocument = replace;
      }
    });

    it('never begins when it was still waiting', async () => {
      embeddings.hold();
      const asked = embeddings.requests;
      // No tenant has all four workers.
      const running = [await send(), await send(), await send()];
      await embeddings.received(asked + 3);
      const waiting = await send();
      expect(await tenant.client.delete(`/api/v1/ingest/${waiting.jobId}`)).toEqual(expect.objectContaining({ status: 200, body: { task_id: waiting.jobId, status: 'cancelled', message: 'Cancelled' } }));
      embeddings.release();
      for (const { jobId } of running) expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed' });
      await eventually(() => server.database.query(`SELECT FROM pgboss.job WHERE data ->> 'jobId' = $1 AND state < 'completed'`, [waiting.jobId]), (left) => left.length === 0);
      expect(await job(waiting.jobId)).toMatchObject({ status: 'CANCELLED', attempt: 0, start_date: null });
      expect(embeddings.requests).toBe(asked + 3);
    });

    it('is cancelled once, however many ask', async () => {
      embeddings.hold();
      const { jobId } = await send();
      const answers = await Promise.all(Array.from({ length: 6 }, () => cancel(jobId)));
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409, 409, 409, 409]);
      expect(answers.find(({ status }) => status === 409)!.body).toMatchObject({ code: 'illegal_transition', allowed: ['retry'] });
      expect(await charged()).toEqual(NOTHING);
    });

    it('must not have finished', async () => {
      const documentId = await ingestText(tenant.client, 'Done', `Done ${randomUUID()}`);
      const id = (await tenant.client.get(`/api/v1/documents/${documentId}`)).body.job_id as string;
      for (const refused of [await cancel(id), await tenant.client.delete(`/api/v1/ingest/${id}`), await retry(id)]) expect(refused).toMatchObject({ status: 409, body: { code: 'illegal_transition', allowed: [] } });
      expect((await tenant.client.get(`/api/v1/documents/${documentId}`)).body.state).toBe('INGESTED');
    });
  });

  describe('that is tried again', () => {
    async function cancelled(content?: string): Promise<Sent> {
      embeddings.hold();
      const asked = embeddings.requests;
      const sent = await send(content);
      await embeddings.received(asked + 1);
      expect((await cancel(sent.jobId)).status).toBe(200);
      embeddings.release();
      return sent;
    }

    it('is ingested after all, under the same id and a higher number of attempts', async () => {
      const { jobId, documentId } = await cancelled();
      expect(await retry(jobId)).toMatchObject({ status: 202, body: { id: jobId, status: 'PENDING', percentage: 0, stage: null, attempt: 1, max_attempts: 6, error: null, end_date: null } });
      expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed' });
      expect(await job(jobId)).toMatchObject({ status: 'FINISHED', attempt: 2, percentage: 100 });
      expect((await tenant.client.get(`/api/v1/documents/${documentId}`)).body).toMatchObject({ state: 'INGESTED', processing_error: null });
      const [documents, , , , points] = await charged();
      expect([documents, points]).toEqual([1, 1]);
      // The entry of the queue that was cancelled is delivered once more, and claims nothing.
      await eventually(() => server.database.query(`SELECT FROM pgboss.job WHERE data ->> 'jobId' = $1 AND state < 'completed'`, [jobId]), (left) => left.length === 0);
      expect(await job(jobId)).toMatchObject({ attempt: 2 });
    });

    it('has fresh attempts when it had failed for good', async () => {
      embeddings.refuse(() => ({ status: 401 }));
      const { jobId, documentId } = await send();
      expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'failed' });
      embeddings.refuse(undefined);
      const answers = await Promise.all([retry(jobId), retry(jobId), retry(jobId)]);
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409, 409]);
      expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed', error: null });
      expect((await tenant.client.get(`/api/v1/documents/${documentId}`)).body.state).toBe('INGESTED');
      expect((await charged())[0]).toBe(1);
    });

    it('needs room for its document', async () => {
      const { jobId, documentId } = await cancelled();
      await setLimits(await administrator(server), tenant, { documents: 0 });
      expect(await retry(jobId)).toMatchObject({ status: 429, body: { code: 'quota_exceeded', resource: 'documents' } });
      expect(await job(jobId)).toMatchObject({ status: 'CANCELLED' });
      expect((await tenant.client.get(`/api/v1/documents/${documentId}`)).body.state).toBe('FAILED');
      expect(await charged()).toEqual(NOTHING);
    });

    it('yields to the same content that was sent again meanwhile', async () => {
      const content = `Twice ${randomUUID()}`;
      const { jobId } = await cancelled(content);
      const again = await send(content);
      expect(await retry(jobId)).toMatchObject({ status: 409, body: { code: 'duplicate_document', document_id: again.documentId } });
      expect(await waitForTask(tenant.client, again.jobId)).toMatchObject({ status: 'completed' });
    });

    it('is not, once its document was deleted', async () => {
      const { jobId, documentId } = await cancelled();
      expect((await tenant.client.delete(`/api/v1/documents/${documentId}`)).status).toBe(204);
      expect(await retry(jobId)).toMatchObject({ status: 409, body: { code: 'illegal_transition', allowed: [] } });
    });

    it('must have ended', async () => {
      embeddings.hold();
      const { jobId } = await send();
      expect(await retry(jobId)).toMatchObject({ status: 409, body: { code: 'illegal_transition', allowed: ['cancel'] } });
    });
  });

  it('is stopped and tried again by who may ingest, and by nobody else', async () => {
    embeddings.hold();
    const { jobId } = await send();
    const [reader, stranger] = [await createKey(tenant.client, ['read', 'write', 'search']), await createTenant(server.anonymous)];
    for (const path of [`/api/v1/jobs/${jobId}/cancel`, `/api/v1/jobs/${jobId}/retry`]) {
      expect(await reader.client.post(path)).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
      expect(await stranger.client.post(path)).toMatchObject({ status: 404 });
    }
    expect(await reader.client.delete(`/api/v1/ingest/${jobId}`)).toMatchObject({ status: 403 });
    expect(await stranger.client.delete(`/api/v1/ingest/${jobId}`)).toMatchObject({ status: 404 });
    expect(await tenant.client.post('/api/v1/jobs/no-uuid/cancel')).toMatchObject({ status: 400 });
  });
});
