import { randomUUID } from 'node:crypto';
import type { Answer, ApiClient } from '../support/api-client.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { originalsOf } from '../support/disk.js';
import { createTenant, type Tenant } from '../support/factories.js';
import { usedBy } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

type Send = (client: ApiClient, key: string) => Promise<Answer<any>>;

const post =
  (path: string, body: object): Send =>
  (client, key) =>
    client.post(path, body, { 'idempotency-key': `"${key}"` });

const text = (title: string): { title: string; content: string } => ({ title, content: `What ${title} says.` });
const sendText = post('/api/v1/ingest/text', text('Minutes'));
const sendFile: Send = (client, key) => client.upload('A line of a file.', 'line.txt', { headers: { 'idempotency-key': key } });
const sendBatch = post('/api/v1/ingest/batch', { items: [text('First'), text('Second'), text('Third')] });
const createDatabase = post('/api/v1/databases', { name: 'contracts' });
const createKey = post('/api/v1/api-keys', { name: 'program' });

/** The statements with which an answer is kept, whole or in part. */
const WHOLE = /UPDATE idempotency_keys SET fingerprint/;
const part = (name: string): RegExp => new RegExp(`INSERT INTO idempotency_parts[^]*\\b${name}\\b`);

/** What was sent when the process was killed, and at which COMMIT it stood. */
const STRUCK = {
  textDone: { send: sendText, where: 'after', kept: WHOLE },
  textUndone: { send: sendText, where: 'before', kept: WHOLE },
  fileDone: { send: sendFile, where: 'after', kept: WHOLE },
  fileUndone: { send: sendFile, where: 'before', kept: WHOLE },
  secondItemDone: { send: sendBatch, where: 'after', kept: part('item 1') },
  secondItemUndone: { send: sendBatch, where: 'before', kept: part('item 1') },
  rowDone: { send: createDatabase, where: 'after', kept: part('row') },
  keyDone: { send: createKey, where: 'after', kept: WHOLE },
} as const;

describe('a request whose process is killed', () => {
  let server: TestApp;
  let proxy: DatabaseProxy;
  /** Each its own, since before a COMMIT the tenant's counters are locked. */
  const tenants = new Map<string, Tenant & { key: string }>();

  beforeAll(async () => {
    // Nobody works on the jobs, so what is there is what was accepted.
    server = await TestApp.start({ ROLE: 'api' });
    proxy = await DatabaseProxy.before(server.database.url);
    for (const name of Object.keys(STRUCK)) tenants.set(name, { ...(await createTenant(server.anonymous)), key: randomUUID() });
    const victim = await server.processBeside({ DATABASE_URL: proxy.url, DATABASE_POOL: '20' });
    // All of them stand at their points when the one process is killed: it takes seconds to start one.
    const struck = Object.entries(STRUCK).map(async ([name, { send, where, kept }]) => {
      const tenant = tenants.get(name)!;
      const point = proxy.stop(where, (request, transaction) => request.includes('COMMIT') && kept.test(transaction) && transaction.includes(tenant.key));
      const unanswered = send(victim.client.asUser(tenant.token), tenant.key).then(
        ({ status, body }) => Promise.reject(new Error(`${name} was answered: ${status} ${JSON.stringify(body)}`)),
        (error: Error) => error,
      );
      await Promise.race([point.reached, unanswered.then((error) => Promise.reject(error))]);
      return { point, unanswered };
    });
    let standing: Awaited<(typeof struck)[number]>[];
    try {
      standing = await Promise.all(struck);
    } finally {
      await victim.end('SIGKILL');
    }
    for (const { point, unanswered } of standing) {
      point.release();
      await unanswered;
    }
  }, 120_000);
  afterAll(async () => {
    await proxy.close();
    await server.stop();
  });

  const tenantOf = (name: keyof typeof STRUCK): Tenant & { key: string } => tenants.get(name)!;
  const again = (name: keyof typeof STRUCK): Promise<Answer<any>> => STRUCK[name].send(tenantOf(name).client, tenantOf(name).key);

  /** Refused while the lease lasts, and then, as the database's clock would have it, not any more. */
  async function againAfterTheLease(name: keyof typeof STRUCK): Promise<Answer<any>> {
    const ending = (seconds: number): Promise<unknown> =>
      server.database.query('UPDATE idempotency_keys SET lease_expires_at = clock_timestamp() + make_interval(secs => $2) WHERE tenant_id = $1', [tenantOf(name).tenantId, seconds]);
    await ending(60);
    const early = await again(name);
    expect([early.status, early.body.code]).toEqual([409, 'idempotency_key_in_flight']);
    await ending(-1);
    return again(name);
  }

  const isReplayed = ({ headers }: Answer<unknown>): boolean => headers.get('idempotency-replayed') === 'true';

  async function idsIn(table: string, { tenantId }: Tenant): Promise<string[]> {
    return (await server.database.query<{ id: string }>(`SELECT id FROM ${table} WHERE tenant_id = $1 ORDER BY created_at, id`, [tenantId])).map(({ id }) => id);
  }

  async function expectTakenIn(tenant: Tenant, accepted: { document_id: string; task_id: string }[]): Promise<void> {
    const [documentIds, jobIds] = [accepted.map(({ document_id }) => document_id), accepted.map(({ task_id }) => task_id)];
    expect((await idsIn('documents', tenant)).toSorted()).toEqual(documentIds.toSorted());
    expect((await idsIn('jobs', tenant)).toSorted()).toEqual(jobIds.toSorted());
    const [queued] = await server.database.query(`SELECT count(*)::int AS n FROM pgboss.job WHERE data ->> 'tenantId' = $1`, [tenant.tenantId]);
    const [sizes] = await server.database.query('SELECT sum(size_bytes)::int AS bytes FROM documents WHERE tenant_id = $1', [tenant.tenantId]);
    const used = await usedBy(tenant.client);
    expect([queued, used['documents'], used['storage_mb']]).toEqual([{ n: documentIds.length }, documentIds.length, sizes!['bytes']]);
    const files = await originalsOf(server);
    for (const id of documentIds) expect(files.filter((name) => name.includes(id))).toHaveLength(1);
  }

  it.each(['textDone', 'fileDone'] as const)('after its commit is answered by another process with what was done, and charged once (%s)', async (name) => {
    const answer = await again(name);
    expect([answer.status, isReplayed(answer)]).toEqual([202, true]);
    await expectTakenIn(tenantOf(name), [answer.body]);
  });

  it.each(['textUndone', 'fileUndone'] as const)('before its commit has done nothing, and the next one does it (%s)', async (name) => {
    expect(await idsIn('documents', tenantOf(name))).toEqual([]);
    const answer = await againAfterTheLease(name);
    expect([answer.status, isReplayed(answer)]).toEqual([202, false]);
    await expectTakenIn(tenantOf(name), [answer.body]);
    expect((await again(name)).body).toEqual(answer.body);
  });

  it.each([
    ['secondItemDone', 2],
    ['secondItemUndone', 1],
  ] as const)('in the middle of a batch leaves the rest of it to the next one, and nothing twice (%s)', async (name, done) => {
    const before = await idsIn('documents', tenantOf(name));
    expect(before).toHaveLength(done);
    const { status, body } = await againAfterTheLease(name);
    expect([status, body.rejected, body.tasks.map(({ index }: { index: number }) => index)]).toEqual([202, [], [0, 1, 2]]);
    expect(body.tasks.slice(0, done).map(({ document_id }: { document_id: string }) => document_id)).toEqual(before);
    await expectTakenIn(tenantOf(name), body.tasks);
    expect(await idsIn('ingest_batches', tenantOf(name))).toEqual([body.batch_id]);
    expect((await again(name)).body).toEqual(body);
  });

  it('between a database’s row and its collection leaves one database, which the next one finishes', async () => {
    const tenant = tenantOf('rowDone');
    const [, made] = await idsIn('databases', tenant);
    const { status, body } = await againAfterTheLease('rowDone');
    expect([status, body.id]).toEqual([201, made]);
    expect([(await idsIn('databases', tenant)).length, (await usedBy(tenant.client))['databases']]).toEqual([2, 2]);
    expect((await tenant.client.post('/api/v1/search', { query: 'lease', database_ids: [body.id] })).status).toBe(200);
    expect((await again('rowDone')).body).toEqual(body);
  });

  it('after a key was made leaves one key, whose secret nobody has', async () => {
    const tenant = tenantOf('keyDone');
    const { status, body } = await again('keyDone');
    expect([status, Object.keys(body)]).toEqual([201, ['api_key']]);
    expect([await idsIn('api_keys', tenant), (await usedBy(tenant.client))['api_keys']]).toEqual([[body.api_key.id], 1]);
  });
});
