import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { AnyJobListDto } from '../../src/jobs/dto/any-job.dto.js';
import { JOB_STATUSES, type JobStatus } from '../../src/jobs/job.entity.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { administrator, createTenant, ingestText, type Tenant } from '../support/factories.js';
import { seedTenants } from '../support/large-installation.js';
import { plansOf } from '../support/plans.js';
import { queryText, type Query } from '../support/query.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

/** For what is quick alone and takes long beside other tests. */
const PATIENCE_MS = 120_000;
const JOBS = 60_000;
const MINUTE_MS = 60_000;

interface SeededJob {
  id: string;
  tenantId: string;
  documentId: string;
  type: string;
  status: JobStatus;
  createdAt: Date;
}

/** Oldest first, one a minute until an hour ago; every fourth is of one tenant, nearly all are finished, and the clock of whoever made the ids is off by up to half an hour. */
function makeJobs(tenantIds: readonly string[]): SeededJob[] {
  const endMs = Date.now() - 60 * MINUTE_MS;
  const made = Array.from({ length: JOBS }, (_, at): SeededJob => {
    const msecs = endMs - (JOBS - at) * MINUTE_MS;
    return {
      id: uuidv7({ msecs }),
      tenantId: at % 4 === 0 ? tenantIds[0]! : tenantIds[(at * 7919) % tenantIds.length]!,
      documentId: `019a0000-0000-7000-8000-${String(Math.floor(at / 3)).padStart(12, '0')}`,
      type: at % 5000 === 17 ? 'reindex' : 'ingest',
      status: at % 700 === 0 ? 'FAILED' : at % 333 === 0 ? 'CANCELLED' : at > JOBS - 20 ? 'PENDING' : 'FINISHED',
      createdAt: new Date(msecs + ((at % 61) - 30) * MINUTE_MS),
    };
  });
  return made;
}

describe('the administrator’s list of the jobs of all tenants', () => {
  let server: TestApp;
  let admin: ApiClient;
  let author: Tenant;
  let documentId: string;
  /** Newest first. */
  let seeded: SeededJob[];
  let filters: [string, string, (job: SeededJob) => boolean][];

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
    await setLimits(admin, { tenantId: (await admin.get('/api/v1/tenant/info')).body.tenant_id }, { api_calls_per_hour: null });
    const tenants = await seedTenants(server.database);
    const jobs = makeJobs(tenants.map(({ id }) => id));
    await server.database.query(
      `INSERT INTO jobs (id, tenant_id, user_id, document_id, type, status, max_attempts, created_at)
       SELECT id, "tenantId", "tenantId", "documentId", type, status, 3, "createdAt"
         FROM jsonb_to_recordset($1) AS j (id uuid, "tenantId" uuid, "documentId" uuid, type text, status text, "createdAt" timestamptz)`,
      [JSON.stringify(jobs)],
    );
    await server.database.query('VACUUM ANALYZE jobs');
    author = await createTenant(server.anonymous);
    documentId = await ingestText(author.client, 'Fossils', 'The quetzalcoatlus could fly.');
    seeded = jobs.toReversed();
    const [large, small] = [tenants[0]!.id, seeded[40_001]!.tenantId];
    const at = (ago: number): Date => seeded[ago]!.createdAt;
    filters = [
      ...JOB_STATUSES.map((name): (typeof filters)[number] => ['status', name, ({ status }) => status === name]),
      ['tenant_id', large, ({ tenantId }) => tenantId === large],
      ['tenant_id', small, ({ tenantId }) => tenantId === small],
      ['document_id', seeded[30_000]!.documentId, (job) => job.documentId === seeded[30_000]!.documentId],
      ['type', 'ingest', ({ type }) => type === 'ingest'],
      ['type', 'reindex', ({ type }) => type === 'reindex'],
      ['type', 'unicorn', () => false],
      ['created_after', at(200).toISOString(), ({ createdAt }) => createdAt > at(200)],
      ['created_before', at(59_000).toISOString(), ({ createdAt }) => createdAt < at(59_000)],
      ['created_before', at(200).toISOString(), ({ createdAt }) => createdAt < at(200)],
    ];
  }, PATIENCE_MS);
  afterAll(() => server.stop());

  function list(query: Query): Promise<Answer<AnyJobListDto>> {
    return admin.get(`/admin/jobs?${queryText(query)}`);
  }
  const idsOf = ({ body }: Answer<AnyJobListDto>): string[] => body.jobs.map(({ id }) => id);
  /** Leaves out what is ingested while the tests run. */
  const beforeUs = (): string => new Date(seeded[0]!.createdAt.getTime() + 31 * MINUTE_MS).toISOString();

  /** All single filters, and all pairs of different ones. */
  function combinations(): (typeof filters)[] {
    const pairs = filters.flatMap((one, at) => filters.slice(at + 1).filter(([name]) => name !== one[0]).map((other) => [one, other]));
    return [[], ...filters.map((filter) => [filter]), ...pairs];
  }

  it('shows a job as its owner sees it, and whose it is', async () => {
    const own = (await author.client.get(`/api/v1/jobs?document_id=${documentId}`)).body.jobs[0];
    const { body } = await list({ document_id: documentId, include_total: true });
    expect(body).toEqual({ jobs: [{ ...own, tenant_id: author.tenantId, type: 'ingest' }], total: 1, limit: 50, next_cursor: null, has_more: false });
    expect(body.jobs[0]).toMatchObject({ document_name: own.document_name, document_type: own.document_type, status: 'FINISHED' });
    expect((await list({ limit: 1 })).body.jobs[0]).toMatchObject({ id: own.id });
  });

  it('counts only when it is asked to, in a tenant’s own list as well', async () => {
    expect((await list({ limit: 1 })).body).not.toHaveProperty('total');
    expect((await list({ limit: 1, include_total: false })).body).not.toHaveProperty('total');
    expect((await list({ limit: 1, include_total: true, created_before: beforeUs() })).body.total).toBe(JOBS);
    expect((await author.client.get('/api/v1/jobs?include_total=true')).body).toMatchObject({ total: 1, jobs: [{ document_id: documentId }] });
    expect((await author.client.get('/api/v1/jobs?include_total=true&status=FAILED')).body).toMatchObject({ total: 0, jobs: [] });
    expect((await author.client.get('/api/v1/jobs')).body).not.toHaveProperty('total');
  });

  it('holds with each filter, and with any two, what they let through, newest first', async () => {
    for (const chosen of combinations()) {
      const query = { created_before: beforeUs(), ...Object.fromEntries(chosen.map(([name, value]) => [name, value])) };
      const expected = seeded.filter((job) => chosen.every(([, , matches]) => matches(job))).map(({ id }) => id);
      const first = await list({ ...query, limit: 30, include_total: true });
      expect([query, first.body.total, idsOf(first)]).toEqual([query, expected.length, expected.slice(0, 30)]);
      expect(first.body.has_more).toBe(expected.length > 30);
      if (first.body.next_cursor === null) continue;
      expect(idsOf(await list({ ...query, limit: 30, cursor: first.body.next_cursor }))).toEqual(expected.slice(30, 60));
    }
  }, PATIENCE_MS);

  it('is walked by cursor without a gap or a repeat while jobs are added', async () => {
    const expected = seeded.filter(({ status }) => status === 'CANCELLED').map(({ id }) => id);
    const walked: string[] = [];
    let cursor: string | null = null;
    do {
      const page = list({ status: 'CANCELLED', limit: 10, ...(cursor === null ? {} : { cursor }) });
      const adding = server.database.query(
        `INSERT INTO jobs (id, tenant_id, user_id, document_id, type, status, max_attempts) VALUES ($1, $2, $2, $3, 'ingest', 'CANCELLED', 3)`,
        [uuidv7(), seeded[0]!.tenantId, randomUUID()],
      );
      const [answer] = await Promise.all([page, adding]);
      walked.push(...idsOf(answer));
      cursor = answer.body.next_cursor;
    } while (cursor !== null);
    const known = new Set(expected);
    expect(walked.filter((id) => known.has(id))).toEqual(expected);
    expect(new Set(walked).size).toBe(walked.length);
    expect(walked.length - expected.length).toBeLessThanOrEqual(1);
  }, PATIENCE_MS);

  it('reads a page from an index whatever it is filtered by, never the whole table', async () => {
    for (const chosen of combinations()) {
      const query = Object.fromEntries(chosen.map(([name, value]) => [name, value]));
      const [page, ...more] = await plansOf(server, ['jobs'], () => list({ ...query, limit: 50 }));
      expect(more).toEqual([]);
      expect(page).not.toContain('Seq Scan on jobs');
      expect(page).toMatch(/using jobs_|on jobs_/);
    }
    const { body } = await list({ status: 'FINISHED', limit: 1 });
    const [next] = await plansOf(server, ['jobs'], () => list({ status: 'FINISHED', cursor: body.next_cursor! }));
    expect(next).toMatch(/Index Cond: .*id < /);
  }, PATIENCE_MS);

  it('takes a cursor with the filter it was made for, and no other', async () => {
    const { body } = await list({ status: 'FINISHED', limit: 1 });
    const cursor = body.next_cursor!;
    expect((await list({ status: 'FINISHED', cursor, include_total: true })).status).toBe(200);
    for (const other of [{}, { status: 'FAILED' }, { status: 'FINISHED', tenant_id: seeded[0]!.tenantId }]) expect(await list({ ...other, cursor })).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
    expect(await author.client.get(`/api/v1/jobs?status=FINISHED&cursor=${cursor}`)).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
  });

  it.each([['limit', '101'], ['status', 'finished'], ['tenant_id', '7'], ['document_id', 'x'], ['created_after', 'soon'], ['created_before', ''], ['type', 'x'.repeat(101)], ['include_total', 'maybe'], ['skip', '1']])(
    'refuses %s=%s',
    async (name, value) => {
      expect(await list({ [name]: value })).toMatchObject({ status: 400, body: { code: 'validation_failed', errors: [{ field: name }] } });
    },
  );
});
