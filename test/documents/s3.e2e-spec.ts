import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { BlobStore } from '../../src/documents/storage/blob-store.js';
import { StoreReconciliation } from '../../src/documents/store-reconciliation.service.js';
import type { ApiClient } from '../support/api-client.js';
import { administrator, createTenant, eventually, ingestText, waitForTask, type Tenant } from '../support/factories.js';
import { multipart } from '../support/raw-http.js';
import { setLimits } from '../support/quotas.js';
import { S3_CREDENTIALS, S3Server } from '../support/s3-server.js';
import { TestApp } from '../support/test-app.js';

const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';

describe('documents whose files are in a bucket', () => {
  let s3: S3Server;
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;
  let client: ApiClient;

  beforeAll(async () => {
    s3 = await S3Server.start();
    server = await TestApp.start({ BLOB_STORE: s3.address() });
    admin = await administrator(server);
    tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null });
    client = tenant.client;
  });
  afterAll(async () => {
    await server.stop();
    await s3.stop();
  });

  const incoming = (): Promise<string[]> => readdir(path.join(server.dataDir, 'incoming'));
  const deliverAt = (jobId: string, time: string) => server.database.query(`UPDATE pgboss.job q SET start_after = ${time} FROM jobs j WHERE j.delivery_id = q.id AND j.id = $1`, [jobId]);
  const documents = async (): Promise<number> => (await client.get('/api/v1/documents?include_total=true')).body.total;

  it('are taken in, read, found, sent back as they came, and leave nothing when they are deleted', async () => {
    const text = '# Herons\n\nA heron waits at the water for hours.';
    const accepted = await client.upload(text, 'herons.md');
    expect(accepted.status).toBe(202);
    const id = accepted.body.document_id as string;
    expect(await s3.keys()).toContain(`${tenant.tenantId}/${id}`);
    expect(await incoming()).toEqual([]);
    expect((await waitForTask(client, accepted.body.task_id)).status).toBe('completed');
    expect((await client.post('/api/v1/search', { query: 'heron' })).body.results).toHaveLength(1);
    const content = await client.get(`/api/v1/documents/${id}/content`);
    expect(content.body).toBe(text);
    expect(content.headers.get('content-length')).toBe(String(text.length));
    expect((await client.get(`/api/v1/documents/${id}/text`)).body).toBe(text);
    expect(await s3.keys()).toEqual([`${tenant.tenantId}/${id}`, `${tenant.tenantId}/${id}.1.text`]);
    expect((await client.delete(`/api/v1/documents/${id}`)).status).toBe(204);
    expect(await eventually(() => s3.keys(), (keys) => keys.length === 0)).toEqual([]);
    expect((await server.anonymous.get('/metrics')).body).toMatch(/morag_blob_store_duration_seconds_count\{operation="keep"\} [1-9]/);
  });

  it('are refused without a trace', async () => {
    expect(await client.upload(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]), 'a.bin')).toMatchObject({ status: 415 });
    expect(await s3.keys()).toEqual([]);
    expect(await incoming()).toEqual([]);
  });

  it('wait while the bucket is away: uploads are 503, jobs lose no attempt, and all goes on when it is back', async () => {
    const id = await ingestText(client, 'A page', 'Kingfishers dive.');
    const before = await documents();
    await s3.kill();
    const away = { status: 503, body: { code: 'blob_store_unavailable', retryable: true } };
    const refused = await client.upload('Nobody keeps this.', 'refused.txt');
    expect(refused).toMatchObject(away);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await client.get(`/api/v1/documents/${id}/content`)).toMatchObject(away);
    expect(await incoming()).toEqual([]);
    expect(await documents()).toBe(before);
    expect((await client.post('/api/v1/search', { query: 'kingfishers' })).body.results[0].text).toBe('Kingfishers dive.');
    expect(await server.anonymous.get('/health/ready')).toMatchObject(away);
    expect((await server.anonymous.get('/health/live')).status).toBe(200);
    const page = (await admin.get('/admin/health')).body;
    expect(page).toMatchObject({ status: 'down', dependencies: expect.arrayContaining([expect.objectContaining({ name: 'blob_store', status: 'down', reason: expect.stringContaining('ECONNREFUSED') })]) });
    expect((await server.anonymous.get('/metrics')).body).toMatch(/morag_blob_store_failures_total\{operation="keep"\} [1-9]/);

    const { task_id: jobId } = (await client.post(`/api/v1/documents/${id}/reprocess`)).body;
    const look = async () => (await client.get(`/api/v1/jobs/${jobId}`)).body;
    const put = await eventually(look, ({ status, attempt }) => status === 'PENDING' && attempt > 0);
    expect(put.max_attempts - put.attempt).toBe(5);
    // Another attempt would come before the bucket is back, if that took longer than the ten seconds for which the job was put off.
    await deliverAt(jobId, `now() + interval '1 hour'`);
    await s3.restart();
    await deliverAt(jobId, 'now()');
    expect(await eventually(look, ({ status }) => status === 'FINISHED' || status === 'FAILED')).toMatchObject({ status: 'FINISHED', attempt: 2 });
    expect((await server.anonymous.get('/health/ready')).status).toBe(200);
    expect((await client.upload('Kept now.', 'kept.txt')).status).toBe(202);
  });

  it('are not waited for without end while the bucket answers nothing', async () => {
    s3.hang();
    try {
      const [upload, ready] = await Promise.all([client.upload('Nobody takes this.', 'hung.txt'), server.anonymous.get('/health/ready')]);
      expect(upload).toMatchObject({ status: 503, body: { code: 'blob_store_unavailable' } });
      expect(ready.status).toBe(503);
      expect(await incoming()).toEqual([]);
    } finally {
      s3.resume();
    }
    // What it had taken in by then it keeps: nobody can tell whether it has, and the reconciliation finds it.
    await eventually(() => server.anonymous.get('/health/ready'), ({ status }) => status === 200);
  }, 20_000);

  it('are compared with the rows: what no document has is found and removed, what is gone is told', async () => {
    const reconciliation = server.app.get(StoreReconciliation, { strict: false });
    const blobs = server.app.get(BlobStore, { strict: false });
    await eventually(() => server.database.query(`SELECT status FROM jobs WHERE ended_at IS NULL`), (open) => open.length === 0);
    const id = await ingestText(client, 'Another', 'Grebes dance.');
    const lost = `${tenant.tenantId}/${UNKNOWN}`;
    await blobs.write(lost, 'forgotten');
    await s3.age(lost, 25);
    expect(await reconciliation.reconcile({ repair: true })).toMatchObject({ orphanBlobs: 1, orphanBytes: 9, removedBlobs: 1, missingBlobs: 0 });
    expect(await blobs.find(lost)).toBeNull();
    await blobs.remove(`${tenant.tenantId}/${id}`);
    expect(await reconciliation.reconcile({ repair: false })).toMatchObject({ orphanBlobs: 0, missingBlobs: 1, examples: { missingBlobs: [`${tenant.tenantId}/${id}`] } });
  });

  it('leave nothing in the bucket of an upload that was under way when its process was killed', async () => {
    const before = await s3.keys();
    const killed = await server.processBeside({ BLOB_STORE: s3.address(), ...S3_CREDENTIALS });
    const { hostname, port } = new URL(killed.url);
    const half = multipart('x', [{ headers: 'name="file"; filename="a.txt"', content: 'x'.repeat(3_000_000) }], false);
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('error', () => undefined);
    socket.write(`POST /api/v1/ingest/file HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tenant.token}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n\r\n`);
    socket.write(half);
    await eventually(incoming, (names) => names.length === 1);
    await killed.end('SIGKILL');
    expect(await s3.keys()).toEqual(before);
    expect(await incoming()).toHaveLength(1);
  });

  it('go with their tenant', async () => {
    const leaving = await createTenant(server.anonymous);
    await ingestText(leaving.client, 'A page', 'Gone soon.');
    expect((await s3.keys()).filter((key) => key.startsWith(leaving.tenantId))).toHaveLength(2);
    expect((await admin.delete(`/admin/tenants/${leaving.tenantId}?confirm=${leaving.tenantId}`)).status).toBe(202);
    await eventually(() => s3.keys(), (keys) => !keys.some((key) => key.startsWith(leaving.tenantId)));
  });
});
