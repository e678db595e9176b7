import { originalsOf } from '../support/disk.js';
import type { ApiClient } from '../support/api-client.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { administrator, createTenant, eventually, waitForTask, type Tenant } from '../support/factories.js';
import { untilAnswered } from '../support/insisting.js';
import { quotasOf, setLimits, usedBy, type SeenQuota } from '../support/quotas.js';
import type { ServerProcess } from '../support/server-process.js';
import { TestApp } from '../support/test-app.js';

const MIB = 1024 * 1024;
const TEXT = 'Many sentences make many chunks. '.repeat(20);

describe('quotas over several processes', () => {
  let embeddings: EmbeddingServer;
  let server: TestApp;
  let other: ServerProcess;
  let admin: ApiClient;
  let tenant: Tenant;
  /** The tenant through the one process and through the other. */
  let through: ApiClient[];

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    server = await TestApp.start({ ROLE: 'api', ...embeddings.env });
    other = await server.processBeside(embeddings.env);
    admin = await administrator(server);
  });
  beforeEach(async () => {
    tenant = await createTenant(server.anonymous);
    through = [tenant.client, other.client.asUser(tenant.token)];
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  });
  afterEach(() => embeddings.release());
  afterAll(async () => {
    await other.end();
    await server.stop();
    await embeddings.stop();
  });

  const rowsOf = async (table: string): Promise<number> => (await server.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table} WHERE tenant_id = $1`, [tenant.tenantId]))[0]!.n;
  const pointsOf = async (): Promise<SeenQuota> => (await quotasOf(tenant.client))['vector_points']!;
  const jobOf = async (jobId: string) => (await tenant.client.get(`/api/v1/jobs/${jobId}`)).body;

  /** Sends a text and waits until its vectors are reserved and asked for, which the embedding server holds back. */
  async function sendAndHold(): Promise<{ jobId: string; documentId: string; points: number }> {
    embeddings.hold();
    const before = embeddings.requests;
    const { body } = await tenant.client.post('/api/v1/ingest/text', { title: 'A text', content: TEXT, chunk_size: 100, chunk_overlap: 0 });
    const { reserved: points } = await eventually(pointsOf, ({ reserved }) => reserved > 0);
    // Until then the worker is in the middle of one transaction or another, whose locks it would keep while it is stopped.
    await embeddings.received(before + 1);
    return { jobId: body.task_id, documentId: body.document_id, points };
  }

  /** Seconds left of the job's lease, by the database's clock. */
  async function leaseOf(jobId: string): Promise<number> {
    const [row] = await server.database.query<{ left: number }>('SELECT extract(epoch FROM lease_expires_at - now())::float8 AS left FROM jobs WHERE id = $1', [jobId]);
    return row!.left;
  }

  /** As if half a minute had passed. */
  const endLease = (jobId: string) => server.database.query('UPDATE jobs SET lease_expires_at = now() WHERE id = $1', [jobId]);

  describe('of which one works', () => {
    let worker: ServerProcess;

    const startWorker = (): Promise<ServerProcess> => server.processBeside({ ...embeddings.env, ROLE: 'worker' });

    beforeAll(async () => {
      worker = await startWorker();
    });
    afterAll(() => worker.end('SIGKILL'));

    it('get back once what ten deletes at once remove', async () => {
      const [stays, goes] = await Promise.all(['Stays.', 'Goes away.'].map((content) => tenant.client.post('/api/v1/ingest/text', { title: 'A text', content })));
      const answers = await Promise.all(Array.from({ length: 10 }, (_, at) => through[at % 2]!.delete(`/api/v1/documents/${goes!.body.document_id}`)));
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, ...Array<number>(9).fill(404)]);
      expect(await waitForTask(tenant.client, stays!.body.task_id)).toMatchObject({ status: 'completed' });
      await eventually(() => rowsOf('documents'), (rows) => rows === 1);
      expect(await usedBy(tenant.client)).toMatchObject({ documents: 1, storage_mb: 6, vector_points: 1 });
    });

    it('hold nothing for a document that was deleted meanwhile, whose worker is told to stop; a living one keeps its lease', async () => {
      const { jobId, documentId, points } = await sendAndHold();
      await server.database.query(`UPDATE jobs SET lease_expires_at = now() + interval '10 seconds' WHERE id = $1`, [jobId]);
      await eventually(() => leaseOf(jobId), (left) => left > 20);
      expect(await pointsOf()).toMatchObject({ reserved: points });
      expect((await through[1]!.delete(`/api/v1/documents/${documentId}`)).status).toBe(204);
      expect(await pointsOf()).toMatchObject({ used: 0, reserved: 0 });
      // Without an answer of the embedding server, which still holds it back.
      const inQueue = () => server.database.query(`SELECT FROM pgboss.job WHERE data ->> 'jobId' = $1 AND state = 'active'`, [jobId]);
      await eventually(inQueue, (rows) => rows.length === 0);
      await eventually(() => usedBy(tenant.client), ({ documents, storage_mb, vector_points }) => documents === 0 && storage_mb === 0 && vector_points === 0);
    }, 60_000);

    it.each([
      ['there is room', 1000, 'completed'],
      ['there is none any more', 3, 'failed'],
    ])('take anew at the end what is no longer reserved, as long as %s', async (_, limit, status) => {
      const { jobId, documentId, points } = await sendAndHold();
      await server.database.query('UPDATE documents SET reserved_points = 0 WHERE id = $1', [documentId]);
      await server.database.query(`UPDATE tenant_quotas SET reserved = 0 WHERE tenant_id = $1 AND resource = 'vector_points'`, [tenant.tenantId]);
      await setLimits(admin, tenant, { vector_points: limit });
      embeddings.release();
      expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status });
      expect(await pointsOf()).toMatchObject({ used: status === 'completed' ? points : 0, reserved: 0 });
      if (status === 'failed') expect((await jobOf(jobId)).error).toMatchObject({ code: 'quota_exceeded' });
    }, 60_000);

    it('refuse the late writes of a worker that was stopped for longer than its lease; it begins again', async () => {
      const { jobId, points } = await sendAndHold();
      worker.child.kill('SIGSTOP');
      await endLease(jobId);
      await eventually(pointsOf, ({ reserved }) => reserved === 0);
      embeddings.release();
      worker.child.kill('SIGCONT');
      expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed' });
      expect(await jobOf(jobId)).toMatchObject({ status: 'FINISHED', attempt: 2 });
      expect(await pointsOf()).toMatchObject({ used: points, reserved: 0 });
    }, 60_000);

    it('get back what a killed worker had reserved once its lease has run out, without another; its job waits and is done by the next', async () => {
      const { jobId, points } = await sendAndHold();
      expect(await leaseOf(jobId)).toBeLessThanOrEqual(30);
      await worker.end('SIGKILL');
      expect(await pointsOf()).toMatchObject({ used: 0, reserved: points });
      await endLease(jobId);
      expect(await eventually(pointsOf, ({ reserved }) => reserved === 0)).toMatchObject({ used: 0 });
      expect(await jobOf(jobId)).toMatchObject({ status: 'PENDING', attempt: 1 });
      embeddings.release();
      worker = await startWorker();
      expect(await waitForTask(tenant.client, jobId)).toMatchObject({ status: 'completed' });
      expect(await jobOf(jobId)).toMatchObject({ status: 'FINISHED', attempt: 2 });
      expect(await pointsOf()).toMatchObject({ used: points, reserved: 0 });
    }, 60_000);
  });

  it('let exactly 100 documents in, of 200 at once', async () => {
    await setLimits(admin, tenant, { documents: 100 });
    const answers = await Promise.all(Array.from({ length: 200 }, (_, at) => untilAnswered(() => through[at % 2]!.post('/api/v1/ingest/text', { title: 'A text', content: `Text number ${at}.` }))));
    const refused = answers.filter(({ status }) => status !== 202);
    expect(refused).toHaveLength(100);
    for (const { status, body } of refused) expect([status, body]).toMatchObject([429, { code: 'quota_exceeded', resource: 'documents', limit: 100, used: 100, requested: 1 }]);
    expect(await rowsOf('documents')).toBe(100);
    expect(await rowsOf('jobs')).toBe(100);
    expect(await usedBy(tenant.client)).toMatchObject({ documents: 100 });
    expect((await originalsOf(server)).filter((name) => name.startsWith(tenant.tenantId) || name.startsWith('incoming'))).toHaveLength(100);
  });

  it('let bytes in to the last one', async () => {
    await setLimits(admin, tenant, { storage_mb: 1 });
    const size = 40_000;
    const answers = await Promise.all(Array.from({ length: 40 }, (_, at) => untilAnswered(() => through[at % 2]!.upload(`${at} `.padEnd(size, 'x'), `${at}.txt`))));
    const fitting = Math.floor(MIB / size);
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(fitting);
    expect(await usedBy(tenant.client)).toMatchObject({ storage_mb: fitting * size, documents: fitting });
    const left = MIB - fitting * size;
    expect(await through[1]!.upload('y'.repeat(left + 1), 'over.txt')).toMatchObject({ status: 429, body: { resource: 'storage_mb', used: fitting * size, requested: left + 1 } });
    expect((await through[0]!.upload('y'.repeat(left), 'exact.txt')).status).toBe(202);
    expect(await usedBy(tenant.client)).toMatchObject({ storage_mb: MIB });
  });
});
