import { v7 as uuidv7 } from 'uuid';
import type { JobStatsDto } from '../../src/jobs/dto/job-stats.dto.js';
import { createKey, createTenant, ingestText, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

const STATS = '/api/v1/jobs/stats';

describe('the statistics of jobs', () => {
  let server: TestApp;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    tenant = await createTenant(server.anonymous);
  });
  afterAll(() => server.stop());

  const stats = async (client = tenant.client): Promise<JobStatsDto> => (await client.get<JobStatsDto>(STATS)).body;

  /** One that ended so many hours ago, having run for so many seconds. */
  async function seed(status: string, hoursAgo: number, seconds: number, { code, documentId = uuidv7() }: { code?: string; documentId?: string } = {}): Promise<void> {
    await server.database.query(
      `INSERT INTO jobs (id, tenant_id, user_id, document_id, type, status, max_attempts, error, started_at, ended_at)
       VALUES ($1, $2, $3, $4, 'ingest', $5, 5, $6, now() - make_interval(hours => $7, secs => $8), now() - make_interval(hours => $7))`,
      [uuidv7(), tenant.tenantId, tenant.userId, documentId, status, code === undefined ? null : JSON.stringify({ code, message: 'x', retryable: false }), hoursAgo, seconds],
    );
  }

  it('are nothing where there is nothing', async () => {
    expect(await stats()).toEqual({
      total: 0,
      by_status: { PENDING: 0, WAITING_FOR_REMOTE_WORKER: 0, PROCESSING: 0, FINISHED: 0, FAILED: 0, CANCELLED: 0 },
      by_stage: {},
      oldest_pending_seconds: null,
      last_day: { finished: 0, failed: 0, cancelled: 0, durations: { average_seconds: null, p50_seconds: null, p95_seconds: null }, failures_by_code: [] },
    });
  });

  it("count all of the tenant's jobs, and say of the last day how long they took and why they failed", async () => {
    for (let seconds = 1; seconds <= 21; seconds++) await seed('FINISHED', 2, seconds);
    await seed('FINISHED', 25, 5000);
    for (const code of ['corrupt_file', 'no_text', 'corrupt_file']) await seed('FAILED', 1, 700, { code });
    await seed('FAILED', 30, 1, { code: 'long_ago' });
    await seed('CANCELLED', 3, 900);
    await server.database.query(
      `INSERT INTO jobs (id, tenant_id, user_id, document_id, type, status, stage, max_attempts, lease_expires_at, updated_at)
       SELECT id, $1, $1, id, 'ingest', status, stage, 5, CASE status WHEN 'PROCESSING' THEN now() + interval '1 hour' END, now() - interval '1 minute'
         FROM (VALUES ($2::uuid, 'PENDING', NULL), ($3, 'PENDING', NULL), ($4, 'PROCESSING', 'embedding'), ($5, 'PROCESSING', 'embedding'), ($6, 'PROCESSING', NULL)) AS v (id, status, stage)`,
      [tenant.tenantId, uuidv7(), uuidv7(), uuidv7(), uuidv7(), uuidv7()],
    );
    const seen = await stats();
    expect(seen).toEqual({
      total: 32,
      by_status: { PENDING: 2, WAITING_FOR_REMOTE_WORKER: 0, PROCESSING: 3, FINISHED: 22, FAILED: 4, CANCELLED: 1 },
      by_stage: { embedding: 2, start: 1 },
      oldest_pending_seconds: expect.any(Number),
      last_day: {
        finished: 21,
        failed: 3,
        cancelled: 1,
        durations: { average_seconds: 11, p50_seconds: 11, p95_seconds: 20 },
        failures_by_code: [{ code: 'corrupt_file', jobs: 2 }, { code: 'no_text', jobs: 1 }],
      },
    });
    expect(seen.oldest_pending_seconds).toBeGreaterThanOrEqual(60);
    expect(seen.oldest_pending_seconds).toBeLessThan(90);
  });

  it('are those of the tenant, and of the databases that a key is bound to', async () => {
    const stranger = await createTenant(server.anonymous);
    expect((await stats(stranger.client)).total).toBe(0);
    const databases = await Promise.all(['one', 'two'].map(async (name) => (await stranger.client.post('/api/v1/databases', { name })).body.id as string));
    for (const [at, database_id] of databases.entries()) await ingestText(stranger.client, 'A text', `Words ${at}.`, { database_id });
    const bound = await createKey(stranger.client, ['read'], { database_ids: [databases[0]] });
    expect([await stats(bound.client), await stats(stranger.client)]).toMatchObject([
      { total: 1, by_status: { FINISHED: 1 }, last_day: { finished: 1 } },
      { total: 2, by_status: { FINISHED: 2 }, last_day: { finished: 2 } },
    ]);
    const writer = await createKey(stranger.client, ['write']);
    expect(await writer.client.get(STATS)).toMatchObject({ status: 403 });
  });
});
