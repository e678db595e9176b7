import { randomBytes } from 'node:crypto';
import type { Answer, ApiClient } from '../support/api-client.js';
import { blobsOf } from '../support/disk.js';
import { createKey, createTenant, eventually, waitForTask, type Tenant } from '../support/factories.js';
import { usedBy } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

/** An MPEG-1 layer III stream of frames of 417 bytes, each with its header, and bytes of its own so that no two are the same. */
function makeMp3(): Buffer {
  const frame = (): Buffer => Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x00]), randomBytes(413)]);
  return Buffer.concat(Array.from({ length: 4 }, frame));
}

/** With the chunks of a PNG in their order; nobody here looks at what is in them. */
function makePng(): Buffer {
  const chunk = (name: string, data: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, Buffer.from(name, 'latin1'), data, randomBytes(4)]);
  };
  const header = Buffer.from('00000001000000010806000000', 'hex');
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', header), chunk('IDAT', randomBytes(64)), chunk('IEND', Buffer.alloc(0))]);
}

interface Leased {
  id: string;
  attempt: number;
  document_id: string;
  document_type: string;
}

const TEXT = '# Board meeting\n\nThe xylophone budget of 2027 was approved.';

describe('remote workers', () => {
  let server: TestApp;
  let tenant: Tenant;
  let worker: ApiClient;

  beforeAll(async () => {
    server = await TestApp.start();
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    await tenant.client.patch('/api/v1/tenant/configuration', { enable_remote_processing: true });
    worker = (await createKey(tenant.client, ['process'])).client;
  });
  afterAll(() => server.stop());

  async function send(content: Buffer = makeMp3(), name = 'meeting.mp3', fields: Record<string, string> = {}): Promise<{ task_id: string; document_id: string }> {
    const { status, body } = await tenant.client.upload(content, name, { fields });
    expect([status, body]).toEqual([202, expect.anything()]);
    return body as { task_id: string; document_id: string };
  }

  async function lease(types?: string[], client = worker): Promise<Leased> {
    const { status, body } = await client.post<{ job: Leased }>('/api/v1/remote/lease', types ? { types } : {});
    expect(status).toBe(200);
    return body.job;
  }

  const about = ({ id }: Pick<Leased, 'id'>, what: string, body: object, client = worker): Promise<Answer<Record<string, unknown>>> => client.post(`/api/v1/remote/jobs/${id}/${what}`, body);
  const job = async (id: string) => (await tenant.client.get(`/api/v1/jobs/${id}`)).body;
  const used = (): Promise<Record<string, number>> => usedBy(tenant.client).then(({ api_calls_per_hour: _, ...others }) => others);
  const silence = (id: string): Promise<unknown> => server.database.query(`UPDATE jobs SET lease_expires_at = now() - interval '1 second' WHERE tenant_id = $1 AND id = $2`, [tenant.tenantId, id]);

  it('read a recording, which is found with its citation', async () => {
    const recording = makeMp3();
    const sent = await send(recording);
    expect(await job(sent.task_id)).toMatchObject({ status: 'WAITING_FOR_REMOTE_WORKER', attempt: 0 });
    const leased = await lease();
    expect(leased).toMatchObject({ id: sent.task_id, document_id: sent.document_id, document_name: 'meeting.mp3', document_type: 'audio', media_type: 'audio/mpeg', size_bytes: recording.length, attempt: 1, heartbeat_seconds: 20 });
    expect((await worker.post('/api/v1/remote/lease', {})).status).toBe(204);
    const content = await worker.get<string>(`/api/v1/remote/jobs/${leased.id}/content?attempt=1`);
    expect([content.status, content.headers.get('content-type'), content.headers.get('content-length'), content.headers.get('content-disposition')]).toEqual([200, 'audio/mpeg', String(recording.length), 'attachment']);
    expect((await about(leased, 'heartbeat', { attempt: 1, percentage: 40, message: 'Minute 12 of 30' })).status).toBe(200);
    expect(await job(leased.id)).toMatchObject({ status: 'PROCESSING', stage: 'remote', percentage: 40, summary: 'Minute 12 of 30' });
    expect((await about(leased, 'complete', { attempt: 1, content: TEXT })).status).toBe(202);
    expect(await waitForTask(tenant.client, leased.id)).toMatchObject({ status: 'completed' });
    const { body } = await tenant.client.post('/api/v1/search', { query: 'xylophone budget' });
    expect(body.results[0]).toMatchObject({ text: TEXT, citation: { document_id: sent.document_id, document_title: 'Board meeting' } });
    expect((await tenant.client.get(`/api/v1/documents/${sent.document_id}`)).body).toMatchObject({ state: 'INGESTED', type: 'audio' });
    expect((await about(leased, 'complete', { attempt: 1, content: 'Something else.' })).body).toMatchObject({ status: 409, code: 'lease_lost' });

    await tenant.client.delete(`/api/v1/documents/${sent.document_id}`);
    await eventually(() => blobsOf(server), (names) => !names.some((name) => name.includes(sent.document_id)));
  });

  it('are not needed while the tenant has not asked for them: the file is refused, and the refusal says what to switch on', async () => {
    await tenant.client.patch('/api/v1/tenant/configuration', { enable_remote_processing: false });
    const refused = await tenant.client.upload(makePng(), 'photo.png');
    expect(refused).toMatchObject({ status: 415, body: { code: 'unsupported_type' } });
    expect(refused.body.detail).toContain('enable_remote_processing');
  });

  it('get each a job of their own, of the kinds they can read', async () => {
    const [sound, picture] = [await send(), await send(makePng(), 'photo.png')];
    expect(await lease(['image'])).toMatchObject({ id: picture.task_id, document_type: 'image' });
    const other = await send();
    const both = await Promise.all([lease(), lease()]);
    expect(both.map(({ id }) => id).toSorted()).toEqual([sound.task_id, other.task_id].toSorted());
    expect((await worker.post('/api/v1/remote/lease', { types: ['text'] })).status).toBe(400);
  });

  it('lose a job about which they are silent, and have failed it when that was the last attempt', async () => {
    const before = await used();
    const { task_id } = await send();
    const first = await lease();
    await silence(task_id);
    await eventually(() => job(task_id), ({ status }) => status === 'WAITING_FOR_REMOTE_WORKER');
    expect((await about(first, 'heartbeat', { attempt: 1 })).body).toMatchObject({ status: 409, code: 'lease_lost' });
    expect(await lease()).toMatchObject({ id: task_id, attempt: 2 });
    expect((await about(first, 'complete', { attempt: 1, content: TEXT })).status).toBe(409);
    await server.database.query('UPDATE jobs SET max_attempts = 2 WHERE tenant_id = $1', [tenant.tenantId]);
    await silence(task_id);
    expect(await eventually(() => job(task_id), ({ status }) => status === 'FAILED')).toMatchObject({ error: { code: 'worker_lost' } });
    expect(await used()).toEqual(before);
  });

  it('are told that a job was cancelled, and a retry waits for them again', async () => {
    const { task_id } = await send();
    const leased = await lease();
    expect((await tenant.client.post(`/api/v1/jobs/${task_id}/cancel`)).status).toBe(200);
    for (const [what, more] of [['heartbeat', {}], ['complete', { content: TEXT }], ['fail', { code: 'broken', message: 'x', retryable: true }]] as const) {
      expect((await about(leased, what, { attempt: 1, ...more })).body).toMatchObject({ status: 409, code: 'lease_lost' });
    }
    expect((await worker.get(`/api/v1/remote/jobs/${task_id}/content?attempt=1`)).status).toBe(409);
    expect((await tenant.client.post(`/api/v1/jobs/${task_id}/retry`)).body).toMatchObject({ status: 'WAITING_FOR_REMOTE_WORKER' });
    expect(await lease()).toMatchObject({ id: task_id, attempt: 2 });
  });

  it('can fail a job, for now or for good, and then nothing of it is charged', async () => {
    const before = await used();
    const { task_id, document_id } = await send();
    const refusal = { code: 'corrupt_file', message: 'The recording breaks off.' };
    expect((await about(await lease(), 'fail', { attempt: 1, ...refusal, retryable: true })).body).toEqual({ job_id: task_id, status: 'WAITING_FOR_REMOTE_WORKER' });
    expect(await job(task_id)).toMatchObject({ status: 'WAITING_FOR_REMOTE_WORKER', error: refusal });
    expect((await about(await lease(), 'fail', { attempt: 2, ...refusal, retryable: false })).body).toEqual({ job_id: task_id, status: 'FAILED' });
    expect(await job(task_id)).toMatchObject({ status: 'FAILED', error: refusal });
    expect(await used()).toEqual(before);
    expect((await tenant.client.get(`/api/v1/documents/${document_id}`)).body).toMatchObject({ state: 'FAILED', processing_error: { ...refusal, stage: 'remote' } });
  });

  it('complete a job once, however often at once', async () => {
    const { task_id } = await send();
    const leased = await lease();
    const answers = await Promise.all(Array.from({ length: 4 }, () => about(leased, 'complete', { attempt: 1, content: TEXT })));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409, 409, 409]);
    expect(await waitForTask(tenant.client, task_id)).toMatchObject({ status: 'completed' });
  });

  it('read a document anew when it is processed anew, while the old version is served', async () => {
    const { task_id, document_id } = await send();
    await about(await lease(), 'complete', { attempt: 1, content: TEXT });
    await waitForTask(tenant.client, task_id);
    const again = await tenant.client.post(`/api/v1/documents/${document_id}/reprocess`, {});
    expect(again.status).toBe(202);
    expect(await job(again.body.task_id)).toMatchObject({ status: 'WAITING_FOR_REMOTE_WORKER' });
    const found = async (query: string): Promise<number> => (await tenant.client.post('/api/v1/search', { query, mode: 'keyword' })).body.results.length;
    expect(await found('xylophone')).toBe(1);
    await about(await lease(), 'complete', { attempt: 1, content: 'The marimba budget was approved.' });
    expect(await waitForTask(tenant.client, again.body.task_id)).toMatchObject({ status: 'completed' });
    expect([await found('xylophone'), await found('marimba')]).toEqual([0, 1]);
  });

  it('see nothing of other tenants, or of databases that their key is not for', async () => {
    const { task_id } = await send();
    const leased = await lease();
    await send();
    const stranger = await createTenant(server.anonymous);
    const foreign = (await createKey(stranger.client, ['process'])).client;
    const cell = (await tenant.client.post('/api/v1/databases', { name: 'cell' })).body.id as string;
    const bound = (await createKey(tenant.client, ['process'], { database_ids: [cell] })).client;
    for (const client of [foreign, bound]) {
      expect((await client.post('/api/v1/remote/lease', {})).status).toBe(204);
      expect((await about(leased, 'heartbeat', { attempt: 1 }, client)).status).toBe(404);
      expect((await about(leased, 'complete', { attempt: 1, content: TEXT }, client)).status).toBe(404);
      expect((await client.get(`/api/v1/remote/jobs/${task_id}/content`)).status).toBe(404);
    }
    const reader = (await createKey(tenant.client, ['read', 'write', 'ingest', 'search'])).client;
    expect((await reader.post('/api/v1/remote/lease', {})).status).toBe(403);
  });

  it('are not asked by a conversion, which answers at once', async () => {
    const form = new FormData();
    form.set('file', new Blob([makePng()]), 'photo.png');
    expect(await tenant.client.send('POST', '/process/file', form)).toMatchObject({ status: 415, body: { code: 'unsupported_type' } });
  });

  it.each([{ content: '' }, { content: ' \n' }, { content: 7 }, {}, { content: TEXT, attempt: 0 }, { content: TEXT, attempt: 2 ** 40 }])('hand in no text that is none: %j', async (body) => {
    await send();
    const leased = await lease();
    expect((await about(leased, 'complete', { attempt: 1, ...body })).status).toBe(400);
    expect(await job(leased.id)).toMatchObject({ status: 'PROCESSING' });
  });
});
