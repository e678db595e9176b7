import { randomUUID } from 'node:crypto';
import type { JobDto } from '../../src/jobs/dto/job.dto.js';
import { JobEventsRemoval } from '../../src/jobs/job-events-removal.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { EventStream, type ReceivedEvent } from '../support/event-stream.js';
import { administrator, createKey, createTenant, eventually, waitForTask, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

/** Five batches of embeddings. */
const LONG = Array.from({ length: 300 }, (_, at) => `Paragraph ${at} ${'words '.repeat(16)}`).join('\n\n');
const STREAMS_OF_TENANT = 50;

describe('the events of a job', () => {
  let embeddings: EmbeddingServer;
  let server: TestApp;
  let tenant: Tenant;
  const open: EventStream[] = [];

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    server = await TestApp.start(embeddings.env);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null });
  });
  afterEach(() => {
    for (const stream of open.splice(0)) stream.close();
    embeddings.refuse(undefined);
    embeddings.release();
  });
  afterAll(async () => {
    await server.stop();
    await embeddings.stop();
  });

  const pathOf = (jobId: string): string => `/api/v1/jobs/${jobId}/events`;

  async function watch(jobId: string, { after, at = server, headers = { authorization: `Bearer ${tenant.token}` } }: { after?: number; at?: TestApp; headers?: Record<string, string> } = {}): Promise<EventStream> {
    const stream = await EventStream.open(`${at.url}${pathOf(jobId)}`, { ...headers, ...(after === undefined ? {} : { 'last-event-id': String(after) }) });
    open.push(stream);
    return stream;
  }

  async function send(content = `${randomUUID()}\n\n${LONG}`): Promise<{ jobId: string; documentId: string }> {
    const { body } = await tenant.client.post('/api/v1/ingest/text', { title: 'A text', content, chunk_size: 120, chunk_overlap: 0 });
    return { jobId: body.task_id, documentId: body.document_id };
  }

  async function finished(): Promise<string> {
    const { jobId } = await send();
    expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed' });
    return jobId;
  }

  const job = async (id: string): Promise<JobDto> => (await tenant.client.get<JobDto>(`/api/v1/jobs/${id}`)).body;
  const idsOf = (events: readonly ReceivedEvent[]): number[] => events.map(({ id }) => id);

  it('tell its whole life, each once and in order, and end with it', async () => {
    embeddings.hold();
    const { jobId } = await send();
    const stream = await watch(jobId);
    expect(stream.response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(stream.response.headers.get('cache-control')).toBe('no-store');
    expect(stream.response.headers.get('x-content-type-options')).toBe('nosniff');
    const first = (await stream.next())!;
    expect(first).toMatchObject({ name: 'status', job: { id: jobId, document_name: 'A text.md' } });
    embeddings.release();
    const rest = await stream.rest();
    expect(idsOf(rest)).toEqual(rest.map((_, at) => first.id + 1 + at));
    expect(rest.at(-1)).toMatchObject({ name: 'end', job: await job(jobId) });
    expect(rest.slice(0, -1).every(({ name }) => name !== 'end')).toBe(true);
    const percentages = [first, ...rest].map(({ job: { percentage } }) => percentage);
    expect(percentages).toEqual(percentages.toSorted((a, b) => a - b));
    expect([...new Set([first, ...rest].map(({ job: { stage } }) => stage).filter((stage) => stage !== null))]).toEqual(expect.arrayContaining(['embedding', 'storing']));
  });

  it('go on where a client left off, at another process and after the job has ended, with nothing lost or repeated', async () => {
    const beside = await server.beside({ ...embeddings.env, ROLE: 'api' });
    try {
      embeddings.hold();
      const { jobId } = await send();
      const stream = await watch(jobId);
      const seen = [(await stream.next())!];
      embeddings.release();
      seen.push((await stream.next())!);
      stream.close();
      await waitForTask(tenant.client, jobId);
      const rest = await (await watch(jobId, { after: seen.at(-1)!.id, at: beside })).rest();
      expect(idsOf([...seen, ...rest])).toEqual([...seen, ...rest].map((_, at) => seen[0]!.id + at));
      expect(rest.at(-1)!.name).toBe('end');
      // The same again, byte for byte.
      expect(await (await watch(jobId, { after: seen.at(-1)!.id })).rest()).toEqual(rest);
    } finally {
      await beside.app.close();
    }
  });

  it('are over for who has seen the end, until the job is tried again', async () => {
    embeddings.refuse(() => ({ status: 401 }));
    const { jobId } = await send();
    await waitForTask(tenant.client, jobId);
    const [failed] = (await (await watch(jobId)).rest()) as [ReceivedEvent];
    expect(failed).toMatchObject({ name: 'end', job: { status: 'FAILED', error: { code: 'unauthorized' } } });
    expect(await tenant.client.send('GET', pathOf(jobId), undefined, { 'last-event-id': String(failed.id) })).toMatchObject({ status: 204, body: '' });
    embeddings.refuse(undefined);
    await tenant.client.post(`/api/v1/jobs/${jobId}/retry`);
    const again = await (await watch(jobId, { after: failed.id })).rest();
    expect(again[0]).toMatchObject({ id: failed.id + 1, name: 'status', job: { status: 'PENDING', percentage: 0, error: null, end_date: null } });
    expect(again.at(-1)).toMatchObject({ name: 'end', job: { status: 'FINISHED' } });
  });

  it('are forgotten a day after the end, and the present state is told instead', async () => {
    const [old, recent] = [await finished(), await finished()];
    await server.database.query(`UPDATE job_events SET created_at = now() - interval '25 hours' WHERE job_id = $1`, [old]);
    await server.app.get(JobEventsRemoval, { strict: false }).run(AbortSignal.timeout(10_000));
    const count = (id: string) => server.database.query('SELECT FROM job_events WHERE job_id = $1', [id]).then(({ length }) => length);
    expect([await count(old), (await count(recent)) > 5]).toEqual([0, true]);
    expect(await (await watch(old, { after: 2 })).rest()).toEqual([expect.objectContaining({ name: 'end', job: await job(old) })]);
    expect((await (await watch(recent, { after: 2 })).rest())[0]!.id).toBe(3);
  });

  it('end when the document is deleted', async () => {
    embeddings.hold();
    const { jobId, documentId } = await send();
    const stream = await watch(jobId);
    await stream.next();
    await tenant.client.delete(`/api/v1/documents/${documentId}`);
    expect((await stream.rest()).at(-1)).toMatchObject({ name: 'end', job: { status: 'CANCELLED' } });
  });

  it('end within seconds when the credential is revoked', async () => {
    embeddings.hold();
    const { jobId } = await send();
    const key = await createKey(tenant.client, ['read']);
    const [stream, other] = [await watch(jobId, { headers: { 'x-api-key': key.secret } }), await watch(jobId)];
    await tenant.client.delete(`/api/v1/api-keys/${key.id}`);
    const revokedAt = performance.now();
    const rest = await stream.rest();
    expect(rest.map(({ name }) => name)).not.toContain('end');
    expect(performance.now() - revokedAt).toBeLessThan(6000);
    // Another credential of the same tenant goes on.
    embeddings.release();
    expect((await other.rest()).at(-1)!.name).toBe('end');
  });

  it('end when the server stops, which does not have to wait for them', async () => {
    const beside = await server.beside({ ...embeddings.env, ROLE: 'api' });
    embeddings.hold();
    const { jobId } = await send();
    const stream = await watch(jobId, { at: beside });
    await stream.next();
    const stoppedAt = performance.now();
    await beside.app.close();
    expect(performance.now() - stoppedAt).toBeLessThan(5000);
    expect((await stream.rest()).map(({ name }) => name)).not.toContain('end');
  });

  it('are told to so many at once, and those who hang up make room', async () => {
    embeddings.hold();
    const { jobId } = await send();
    const streams = await Promise.all(Array.from({ length: STREAMS_OF_TENANT }, () => watch(jobId)));
    expect(await tenant.client.get(pathOf(jobId))).toMatchObject({ status: 429, body: { code: 'too_many_streams' } });
    const stranger = await createTenant(server.anonymous);
    const { body } = await stranger.client.post('/api/v1/ingest/text', { title: 'x', content: 'Of somebody else.' });
    await watch(body.task_id, { headers: { authorization: `Bearer ${stranger.token}` } });
    for (const stream of streams) stream.close();
    await eventually(() => watch(jobId).then(() => true, () => false), (opened) => opened);
  });

  it("are the tenant's own, and for who may read", async () => {
    const { jobId } = await send();
    const [stranger, writer] = [await createTenant(server.anonymous), await createKey(tenant.client, ['write'])];
    expect(await stranger.client.get(pathOf(jobId))).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await writer.client.get(pathOf(jobId))).toMatchObject({ status: 403 });
    for (const id of ['-1', 'x', '99999999999', '1e3']) expect(await tenant.client.send('GET', pathOf(jobId), undefined, { 'last-event-id': id })).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
  });
});
