import pg from 'pg';
import { UsageRollUp } from '../../src/tenancy/usage-roll-up.js';
import type { TenantUsageDto } from '../../src/tenancy/dto/tenant-usage.dto.js';
import { administrator, createTenant, eventually, ingestText, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { insistOn } from '../support/insisting.js';
import { setLimits, usedBy } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LONG_AGO_HOURS = 1_000_000;
const RESOURCES = ['documents', 'storage_mb', 'vector_points'] as const;

describe('the history of a tenant’s counters', () => {
  let server: TestApp;
  let tenant: Tenant;
  /** One connection for the thousand small changes. */
  let superuser: pg.Client;

  beforeAll(async () => {
    server = await TestApp.start();
    superuser = await connect();
  });
  afterAll(async () => {
    await superuser.end();
    await server.stop();
  });
  beforeEach(async () => {
    await staysWithinTheHour(60_000);
    tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null, documents: null, storage_mb: null, vector_points: null });
  }, 90_000);

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: server.database.superuserUrl });
    await client.connect();
    return client;
  }
  const sql = async <Row extends pg.QueryResultRow>(text: string, ...more: unknown[]): Promise<Row[]> => (await superuser.query<Row>(text, [tenant.tenantId, ...more])).rows;
  /** As if so many hours had gone by since: what is later by the clock is what happens next. */
  async function letPass(hours: number): Promise<void> {
    await sql(`UPDATE tenants SET created_at = created_at - make_interval(hours => $2) WHERE id = $1`, hours);
    await sql(`UPDATE tenant_quotas SET changed_hour = changed_hour - make_interval(hours => $2) WHERE tenant_id = $1`, hours);
    // By way of a distant past, since the key is checked row by row.
    for (const shift of [hours + LONG_AGO_HOURS, -LONG_AGO_HOURS]) await sql(`UPDATE quota_history SET hour = hour - make_interval(hours => $2) WHERE tenant_id = $1`, shift);
  }
  const add = (amount: number, resources: readonly string[] = RESOURCES): Promise<unknown> =>
    sql('UPDATE tenant_quotas SET used = used + $2 WHERE tenant_id = $1 AND resource = ANY ($3)', amount, resources);
  const rows = (): Promise<{ resource: string; ago: number; used: number }[]> =>
    sql(`SELECT resource, (extract(epoch FROM date_trunc('hour', now(), 'UTC') - hour) / 3600)::int AS ago, used::int FROM quota_history WHERE tenant_id = $1 ORDER BY resource, hour`);
  const rollUp = (): Promise<void> => insistOn(() => server.app.get(UsageRollUp, { strict: false }).run(AbortSignal.timeout(20_000)));

  async function series(granularity: 'hour' | 'day', back: number): Promise<TenantUsageDto['series']> {
    const to = new Date();
    const from = new Date(to.getTime() - back * (granularity === 'hour' ? HOUR_MS : DAY_MS));
    const { status, body } = await tenant.client.get<TenantUsageDto>(`/api/v1/tenant/usage?granularity=${granularity}&from=${from.toISOString()}&to=${to.toISOString()}`);
    if (status !== 200) throw new Error(`usage answered ${status}: ${JSON.stringify(body)}`);
    expect(body.series).toHaveLength(back + 1);
    return body.series;
  }
  const documents = async (granularity: 'hour' | 'day', back: number): Promise<(number | null)[]> => (await series(granularity, back)).map((point) => point.documents);

  it('ends with what the tenant has now, and keeps what it had', async () => {
    expect(await documents('hour', 2)).toEqual([0, 0, 0]);
    const first = await ingestText(tenant.client, 'One', 'The first text.');
    await letPass(3);
    await ingestText(tenant.client, 'Two', 'The second text, which is longer. '.repeat(100));
    const both = await usedBy(tenant.client);
    await letPass(2);
    expect((await tenant.client.delete(`/api/v1/documents/${first}`)).status).toBe(204);
    await eventually(() => usedBy(tenant.client), ({ documents: left }) => left === 1);
    const now = await usedBy(tenant.client);
    const seen = (await series('hour', 7)).map((point) => [point.documents, point.storage_bytes, point.vector_points]);
    const one = [1, 'The first text.'.length, 1];
    const two = [2, both['storage_mb'], both['vector_points']];
    expect(seen).toEqual([[0, 0, 0], [0, 0, 0], one, one, one, two, two, [1, now['storage_mb'], now['vector_points']]]);
    expect(now['storage_mb']).toBe(both['storage_mb']! - 15);
    const info = (await tenant.client.get<{ usage_stats: Record<string, number> }>('/api/v1/tenant/info')).body;
    expect(info.usage_stats).toMatchObject({ documents: 1, vector_points: now['vector_points'] });
    expect((await series('day', 1)).at(-1)).toMatchObject({ documents: 1, storage_bytes: now['storage_mb'], vector_points: now['vector_points'] });
  });

  it('has one row for each hour in which a counter changed, however often it did', async () => {
    for (let at = 0; at < 5; at++) await add(2, ['documents']);
    expect(await rows()).toEqual([]);
    await letPass(1);
    const clients = await Promise.all(Array.from({ length: 8 }, connect));
    try {
      await Promise.all(clients.flatMap((client) => Array.from({ length: 10 }, () => client.query(`UPDATE tenant_quotas SET used = used + 1 WHERE tenant_id = $1 AND resource = 'documents'`, [tenant.tenantId]))));
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
    expect(await rows()).toEqual([{ resource: 'documents', ago: 1, used: 10 }]);
    expect(await documents('hour', 2)).toEqual([0, 10, 90]);
  });

  it('belongs to the hour in which a change is made, and not to the one in which its transaction began', async () => {
    const early = await connect();
    try {
      await early.query('BEGIN');
      await early.query('SELECT now()');
      await add(1, ['documents']);
      await letPass(1);
      await add(1, ['documents']);
      await early.query(`UPDATE tenant_quotas SET used = used + 1 WHERE tenant_id = $1 AND resource = 'documents'`, [tenant.tenantId]);
      await early.query('COMMIT');
    } finally {
      await early.end();
    }
    expect(await rows()).toEqual([{ resource: 'documents', ago: 1, used: 1 }]);
    expect(await documents('hour', 1)).toEqual([1, 3]);
  });

  it('has no row for what was only reserved, for a limit, or for what ends as it began', async () => {
    await letPass(4);
    await sql('UPDATE tenant_quotas SET used = used + 0, reserved = reserved + 5, hard_limit = 7 WHERE tenant_id = $1');
    expect(await rows()).toEqual([]);
    expect(await documents('hour', 1)).toEqual([0, 0]);
  });

  it('says of every hour what a witness wrote down', async () => {
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const witness: number[] = [];
    for (let used = 0; witness.length < 700; ) {
      for (let changes = random(4); changes > 0; changes--) {
        const change = random(20) - Math.min(used, 10);
        used += change;
        await add(change);
      }
      const hours = 1 + random(random(5) === 0 ? 90 : 8);
      witness.push(...Array<number>(hours).fill(used));
      await letPass(hours);
    }
    // The hour that lasts is as the last one that passed.
    expect(await documents('hour', 700)).toEqual([...witness.slice(-700), witness.at(-1)]);
    expect((await rows()).length).toBeGreaterThan(100);
  }, 120_000);

  it('is unknown before the server kept one, and nothing before there was a tenant', async () => {
    await add(3);
    await letPass(5);
    await sql(`UPDATE tenant_quotas SET changed_hour = changed_hour + interval '3 hours' WHERE tenant_id = $1`);
    expect(await documents('hour', 7)).toEqual([0, 0, null, null, null, 3, 3, 3]);
  });

  it('stays the same by days when its hours become days, and a second time changes nothing', async () => {
    for (let at = 0; at < 60; at++) {
      await add(at % 7 === 6 ? -11 : 2);
      await letPass(at % 3 === 0 ? 5 : 29);
    }
    await letPass(24 * 20);
    const before = await series('day', 90);
    const hours = await series('hour', 700);
    const many = await rows();
    await rollUp();
    const fewer = await rows();
    expect(fewer.length).toBeLessThan(many.length - 20);
    const days = (await sql<{ day: string; n: number }>(
      `SELECT resource, hour::date AS day, count(*)::int AS n FROM quota_history WHERE tenant_id = $1 AND hour < date_trunc('day', now(), 'UTC') - interval '35 days' GROUP BY 1, 2`,
    )).map(({ n }) => n);
    expect(new Set(days)).toEqual(new Set([1]));
    // Those that are kept as hours are all there.
    const recent = (all: typeof many): typeof many => all.filter(({ ago }) => ago <= 35 * 24);
    expect(recent(fewer)).toEqual(recent(many));
    const stock = (points: TenantUsageDto['series']): unknown[] => points.map((point) => [point.start, point.documents, point.storage_bytes, point.vector_points]);
    expect(stock(await series('day', 90))).toEqual(stock(before));
    expect(stock(await series('hour', 700))).toEqual(stock(hours));
    await Promise.all([rollUp(), rollUp()]);
    expect(await rows()).toEqual(fewer);
  });

  it('takes in the last hour of a counter that rested for weeks', async () => {
    await add(4);
    await letPass(1);
    await add(1);
    await letPass(24 * 50);
    await rollUp();
    await add(1);
    await rollUp();
    const open = await sql<{ n: number }>(`SELECT count(*)::int AS n FROM quota_history WHERE tenant_id = $1 AND NOT closes_day`);
    expect(open).toEqual([{ n: 0 }]);
    const shown = await documents('day', 60);
    expect(shown.slice(-49)).toEqual([...Array<number>(48).fill(5), 6]);
    expect(shown[0]).toBe(0);
  });

  it('forgets days that are over 400 days old, but not what there was when those that are kept began', async () => {
    for (let at = 1; at <= 5; at++) {
      await add(at);
      await letPass(48);
    }
    await letPass(24 * 420);
    await add(100);
    await rollUp();
    const left = await rows();
    expect(left.map(({ resource, used }) => [resource, used])).toEqual(RESOURCES.map((resource) => [resource, 15]));
    expect(await documents('day', 400)).toEqual([...Array<number>(400).fill(15), 115]);
    await rollUp();
    expect(await rows()).toEqual(left);
  });

  it('is nobody else’s', async () => {
    await add(9);
    await letPass(2);
    await add(1);
    const stranger = await createTenant(server.anonymous);
    const { body } = await stranger.client.get<TenantUsageDto>('/api/v1/tenant/usage?granularity=hour');
    expect(body.series.filter((point) => point.documents !== 0 || point.storage_bytes !== 0 || point.vector_points !== 0)).toEqual([]);
  });
});
