import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { JobHandler } from '../../src/jobs/job-handler.js';
import type { JobPriority } from '../../src/jobs/job.entity.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { Transactions } from '../../src/persistence/transactions.js';
import { EmbeddingServer } from '../support/embedding-server.js';
import { administrator, createTenant, eventually, waitForTask, type Tenant } from '../support/factories.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const FLOOD = 40;
/** Of one process. */
const WORKERS = 4;

describe('workers that are shared', () => {
  let embeddings: EmbeddingServer;
  let server: TestApp;

  beforeAll(async () => {
    embeddings = await EmbeddingServer.start();
    server = await TestApp.start(embeddings.env);
  });
  afterEach(() => embeddings.release());
  afterAll(async () => {
    await server.stop();
    await embeddings.stop();
  });

  async function newTenant(): Promise<Tenant> {
    const tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null, documents: null });
    return tenant;
  }

  async function send(tenant: Tenant): Promise<string> {
    const { status, body } = await tenant.client.post('/api/v1/ingest/text', { title: 'A text', content: `Words of ${randomUUID()}.` });
    expect(status).toBe(202);
    return body.task_id;
  }

  async function flood(tenant: Tenant, count = FLOOD): Promise<void> {
    for (let sent = 0; sent < count; sent += 10) await Promise.all(Array.from({ length: 10 }, () => send(tenant)));
  }

  /** Whose jobs have ended, in the order in which they were started. */
  async function ended(tenants: readonly Tenant[]): Promise<string[]> {
    const rows = await server.database.query<{ tenant_id: string }>('SELECT tenant_id FROM jobs WHERE tenant_id = ANY ($1) AND ended_at IS NOT NULL ORDER BY started_at', [tenants.map(({ tenantId }) => tenantId)]);
    return rows.map(({ tenant_id }) => tenant_id);
  }

  async function cancelRest(tenants: readonly Tenant[]): Promise<void> {
    const open = await server.database.query<{ id: string; tenant_id: string }>('SELECT id, tenant_id FROM jobs WHERE tenant_id = ANY ($1) AND ended_at IS NULL', [tenants.map(({ tenantId }) => tenantId)]);
    await Promise.all(open.map(({ id, tenant_id }) => tenants.find(({ tenantId }) => tenantId === tenant_id)!.client.post(`/api/v1/jobs/${id}/cancel`)));
    // A worker that has not noticed yet may still ask for embeddings, which the next test counts.
    await eventually(() => server.database.query(`SELECT FROM pgboss.job WHERE state = 'active' AND data ->> 'tenantId' = ANY ($1)`, [tenants.map(({ tenantId }) => tenantId)]), (active) => active.length === 0);
  }

  /** The clock that turns are given by follows what was started within a second: until then whoever comes has turns that were over. */
  const clockIsRight = (): Promise<unknown> => eventually(() => server.database.query('SELECT FROM jobs WHERE started_at IS NOT NULL AND turn > (SELECT last_value FROM job_turn)'), (ahead) => ahead.length === 0);

  it('serve who comes with one document at once, however many documents others have waiting', async () => {
    const [flooders, lone] = [[await newTenant(), await newTenant(), await newTenant()], await newTenant()];
    const asked = embeddings.requests;
    embeddings.hold();
    for (const tenant of flooders) await flood(tenant);
    await embeddings.received(asked + WORKERS);
    const jobId = await send(lone);
    embeddings.release();
    expect(await waitForTask(lone.client, jobId)).toMatchObject({ status: 'completed' });
    const order = await ended([...flooders, lone]);
    // Those that ran already, those that start beside it, and of whoever had no turn yet the first.
    expect(order.indexOf(lone.tenantId)).toBeLessThanOrEqual(2 * WORKERS + 1);
    await cancelRest(flooders);
  }, 60_000);

  it('take turns between those who have many, also when one came much later', async () => {
    const [early, late] = [await newTenant(), await newTenant()];
    const before = 12;
    // Where workers are quicker than those who send, nearly nothing of the early one would be left.
    embeddings.hold(before);
    await flood(early);
    await eventually(() => ended([early]), (jobs) => jobs.length === before);
    await clockIsRight();
    await flood(late, 20);
    embeddings.release();
    const order = await eventually(() => ended([early, late]), (jobs) => jobs.length >= before + 20);
    const next = order.slice(before, before + 20);
    const ofLate = next.filter((id) => id === late.tenantId).length;
    // Fewer at first, since those that ran already were of the other.
    expect(ofLate).toBeGreaterThanOrEqual(5);
    expect(ofLate).toBeLessThanOrEqual(15);
    await cancelRest([early, late]);
  }, 60_000);

  it("let no work that nobody waits for delay a tenant's own that somebody does", async () => {
    const tenant = await newTenant();
    // Whatever starts moves the clock that turns are given by.
    await eventually(() => server.database.query(`SELECT FROM jobs WHERE status IN ('PENDING', 'PROCESSING')`), (open) => open.length === 0);
    await clockIsRight();
    const [jobs, transactions] = [server.app.get(JobsService, { strict: false }), server.app.get(Transactions, { strict: false })];
    const handler = { type: 'nobody-works-at-this', maxAttempts: 1 } as JobHandler;
    const enqueue = (priority: JobPriority) =>
      transactions.forTenant(tenant.tenantId, async (tx) => {
        const id = uuidv7();
        await jobs.enqueue(tx, handler, { id, userId: tenant.userId, documentId: uuidv7() }, { priority });
        return id;
      });
    for (const priority of ['low', 'low', 'normal', 'low', 'normal'] as const) await enqueue(priority);
    const queued = await server.database.query<{ priority: string }>(
      `SELECT j.priority FROM pgboss.job q JOIN jobs j ON j.id = (q.data ->> 'jobId')::uuid AND j.delivery_id = q.id WHERE j.tenant_id = $1 ORDER BY q.priority DESC, q.created_on`,
      [tenant.tenantId],
    );
    expect(queued.map(({ priority }) => priority)).toEqual(['normal', 'normal', 'low', 'low', 'low']);
  });
});
