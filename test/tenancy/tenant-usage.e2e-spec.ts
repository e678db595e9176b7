import pg from 'pg';
import type { ApiKeyUsageStatsDto } from '../../src/api-keys/dto/api-key-usage.dto.js';
import type { TenantTx } from '../../src/persistence/transactions.js';
import type { TenantUsageDto, TenantUsageFiguresDto } from '../../src/tenancy/dto/tenant-usage.dto.js';
import { QuotaHistoryRepository } from '../../src/tenancy/quota-history.repository.js';
import { UsageReportsRepository } from '../../src/tenancy/usage-reports.repository.js';
import { UsageRollUp } from '../../src/tenancy/usage-roll-up.js';
import { UsageService } from '../../src/tenancy/usage.service.js';
import type { ApiClient } from '../support/api-client.js';
import { administrator, changeStanding, createKey, createTenant, signIn, PASSWORD, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { insistOn } from '../support/insisting.js';
import { setLimits } from '../support/quotas.js';
import { withoutSmallMonths } from '../support/months.js';
import { TestApp } from '../support/test-app.js';

const DAY_MS = 86_400_000;
const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';
const COUNTS = ['requests', 'errors', 'bytes_in', 'bytes_out'] as const;

type Counts = Record<(typeof COUNTS)[number], number>;
const counts = (figures: TenantUsageFiguresDto): Counts => Object.fromEntries(COUNTS.map((name) => [name, figures[name]])) as Counts;
const sumOf = (all: readonly TenantUsageFiguresDto[]): Counts => Object.fromEntries(COUNTS.map((name) => [name, all.reduce((total, figures) => total + figures[name], 0)])) as Counts;

describe('the usage of a tenant', () => {
  let server: TestApp;
  let admin: ApiClient;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    // What is so many days back from now is another day behind midnight.
    await staysWithinTheHour(10_000);
    tenant = await createTenant(server.anonymous);
    await setLimits(admin, tenant, { api_calls_per_hour: null });
  });

  const flush = (): Promise<void> => server.app.get(UsageService, { strict: false }).flush();
  /** Until the day that lasts: the answers themselves are calls, too, and count in the next one. */
  const past = (days: number, more: string): string => {
    const to = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    return `?from=${new Date(to - days * DAY_MS).toISOString()}&to=${new Date(to).toISOString()}&${more}`;
  };

  async function ask(query: string, client = tenant.client): Promise<TenantUsageDto> {
    const { status, body } = await client.get<TenantUsageDto>(`/api/v1/tenant/usage${query}`);
    if (status !== 200) throw new Error(`usage answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  /** The parts of an answer make its whole, however it is cut. */
  function expectToAddUp(body: TenantUsageDto): void {
    expect(sumOf(body.series)).toEqual(counts(body.totals));
    for (const group of [...body.groups, ...(body.others ? [body.others] : [])]) {
      expect(sumOf(group.series)).toEqual(counts(group));
      const starts = group.series.map(({ start }) => Date.parse(String(start)));
      expect(starts).toEqual(starts.toSorted((a, b) => a - b));
      expect(group.series.filter(({ requests }) => requests === 0)).toEqual([]);
    }
    if (body.group_by !== 'none') expect(sumOf([...body.groups, ...(body.others ? [body.others] : [])])).toEqual(counts(body.totals));
    const requests = body.groups.map((group) => group.requests);
    expect(requests).toEqual(requests.toSorted((a, b) => b - a));
  }

  /** One row a day and key or route, from so many days ago until so many; beyond 35 days as the roll-up leaves them. */
  async function insertCalls(kind: 'api_key' | 'route', groups: number, daysAgoFrom: number, daysAgoTo: number, of = tenant.tenantId): Promise<void> {
    const columns = kind === 'api_key' ? `('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'GET /'` : `'00000000-0000-0000-0000-000000000000'::uuid, 'GET /' || n`;
    for (const [table, at, from, to] of [
      ['usage_daily', 'current_date - ago', Math.max(36, daysAgoTo), daysAgoFrom],
      ['usage_hourly', `date_trunc('day', now(), 'UTC') - make_interval(days => ago) + interval '5 hours'`, daysAgoTo, Math.min(35, daysAgoFrom)],
    ] as const) {
      await server.database.query(
        `INSERT INTO ${table} SELECT $1, ${at}, ${columns}, 2 + 2 * (n % 2), n, 7 * n + 0.1, 10 * n, 100 * n, array_append(array_fill(0::bigint, ARRAY[n % 30]), n::bigint)
           FROM generate_series($3::int, $4::int) AS ago, generate_series(1, $2::int) AS n`,
        [of, groups, from, to],
      );
    }
  }

  it('agrees with its keys, and with itself, however it is told apart', async () => {
    const keys = await Promise.all([createKey(tenant.client, ['read']), createKey(tenant.client, ['read'])]);
    const person = Array.from({ length: 5 }, () => tenant.client.get('/api/v1/documents'));
    const programs = keys.flatMap(({ client }, which) => Array.from({ length: 20 + 10 * which }, (_, at) => (at % 4 === 0 ? client.get(`/api/v1/documents/${UNKNOWN}`) : client.post('/api/v1/search', { query: 'forbidden' }))));
    await Promise.all([...person, ...programs]);
    await flush();
    await server.database.query(`UPDATE usage_hourly SET hour = hour - interval '24 hours' WHERE tenant_id = $1`, [tenant.tenantId]);

    for (const granularity of ['hour', 'day']) {
      const whole = await ask(past(2, `granularity=${granularity}`));
      const byKey = await ask(past(2, `granularity=${granularity}&group_by=api_key`));
      const byRoute = await ask(past(2, `granularity=${granularity}&group_by=route`));
      for (const body of [whole, byKey, byRoute]) expectToAddUp(body);
      expect(whole).toMatchObject({ granularity, group_by: 'none', groups: [], others: null });
      expect(whole.series).toEqual(byKey.series);
      expect(byRoute).toMatchObject({ totals: whole.totals, series: whole.series, others: null });
      expect(byKey.totals).toEqual(whole.totals);

      const shown = (await tenant.client.get<{ api_keys: { id: string; name: string; key_prefix: string; usage_count: number }[] }>('/api/v1/api-keys')).body.api_keys;
      expect(byKey.groups).toHaveLength(3);
      for (const { id } of keys) {
        const group = byKey.groups.find(({ api_key_id }) => api_key_id === id)!;
        const { name, key_prefix, usage_count } = shown.find((key) => key.id === id)!;
        const stats = (await tenant.client.get<ApiKeyUsageStatsDto>(`/api/v1/api-keys/${id}/usage${past(2, `granularity=${granularity}`)}`)).body;
        expect(group).toMatchObject({ api_key_name: name, api_key_prefix: key_prefix, requests: usage_count, errors: stats.failed_requests });
        expect([stats.total_requests, stats.total_data_transferred_bytes]).toEqual([group.requests, group.bytes_in + group.bytes_out]);
        expect([stats.avg_response_time_ms, stats.p95_response_time_ms]).toEqual([group.avg_response_time_ms, group.p95_response_time_ms]);
        expect(group).not.toHaveProperty('route');
      }
      const people = byKey.groups.find(({ api_key_id }) => api_key_id === null)!;
      expect(people).toMatchObject({ api_key_name: null, api_key_prefix: null });
      expect(people.requests).toBe(whole.totals.requests - 20 - 30);
      expect(byRoute.groups.slice(0, 2)).toMatchObject([
        { route: 'POST /api/v1/search', requests: 37, errors: 37 },
        { route: 'GET /api/v1/documents/:id', requests: 13, errors: 13 },
      ]);
      expect(byRoute.groups[0]).not.toHaveProperty('api_key_id');
      expect(byRoute.groups[0]!.series[0]).not.toHaveProperty('documents');
    }
  });

  it('says of a key that is revoked what it was called, and of one that is gone which it was', async () => {
    const revoked = await createKey(tenant.client, ['read'], { name: 'was here' });
    await revoked.client.get('/api/v1/documents');
    expect((await tenant.client.delete(`/api/v1/api-keys/${revoked.id}`)).status).toBe(204);
    await flush();
    await insertCalls('api_key', 1, 0, 0);
    const { groups } = await ask('?group_by=api_key');
    expect(groups.find(({ api_key_id }) => api_key_id === revoked.id)).toMatchObject({ api_key_name: 'was here', requests: 1 });
    expect(groups.find(({ api_key_id }) => api_key_id?.endsWith('1'))).toMatchObject({ api_key_name: null, api_key_prefix: null, requests: 1 });
  });

  it('names keys only to whoever may read keys', async () => {
    const reader = await createKey(tenant.client, ['read', 'write', 'ingest', 'process', 'search']);
    const bound = await createKey(tenant.client, ['read'], { database_ids: [(await tenant.client.get('/api/v1/databases')).body.databases[0].id] });
    const manager = await createKey(tenant.client, ['read', 'admin']);
    for (const { client } of [reader, bound]) {
      for (const by of ['none', 'route']) expect((await ask(`?group_by=${by}`, client)).group_by).toBe(by);
      expect(await client.get('/api/v1/tenant/usage?group_by=api_key')).toMatchObject({ status: 403, body: { code: 'insufficient_scope', required_permission: 'admin' } });
    }
    expect((await ask('?group_by=api_key', manager.client)).group_by).toBe('api_key');
    expect(await (await createKey(tenant.client, ['search'])).client.get('/api/v1/tenant/usage')).toMatchObject({ status: 403, body: { code: 'insufficient_scope', required_permission: 'read' } });
    await changeStanding(admin, tenant.userId, { role: 'VIEWER' });
    const viewer = server.anonymous.asUser(await signIn(server.anonymous, tenant.email, PASSWORD));
    expect((await ask('', viewer)).group_by).toBe('none');
    expect(await viewer.get('/api/v1/tenant/usage?group_by=api_key')).toMatchObject({ status: 403, body: { required_permission: 'admin' } });
  });

  it.each([
    ['?from=yesterday', 'from', 'from must be a time as in ISO 8601'],
    ['?granularity=minute', 'granularity', 'granularity must be one of the following values: hour, day'],
    ['?group_by=user', 'group_by', 'group_by must be one of the following values: none, api_key, route'],
    ['?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'from', 'from must be earlier than to'],
    [`?granularity=hour&from=${new Date(Date.now() - 32 * DAY_MS).toISOString()}`, 'from', 'from must be at most 31 days before to with granularity=hour'],
    [`?from=${new Date(Date.now() - 402 * DAY_MS).toISOString()}&to=${new Date(Date.now() - 300 * DAY_MS).toISOString()}`, 'from', 'from must be at most 400 days ago with granularity=day: older days are not kept'],
    ['?since=2026-01-01', 'since', 'property since should not exist'],
  ])('says what is wrong with %s', async (query, field, message) => {
    expect(await tenant.client.get(`/api/v1/tenant/usage${query}`)).toMatchObject({ status: 400, body: { code: 'validation_failed', errors: [{ field, message }] } });
  });

  it('is the same before and after hours become days', async () => {
    await server.database.query(
      `INSERT INTO usage_hourly SELECT $1, date_trunc('day', now(), 'UTC') - make_interval(days => 50, hours => -7 * at), $1, 'GET /' || at % 3, 2 + 2 * (at % 2), at, 3 * at, at, at, '{0,1,2}' FROM generate_series(1, 160) AS at`,
      [tenant.tenantId],
    );
    const queries = ['none', 'api_key', 'route'].map((by) => past(60, `group_by=${by}`));
    const before = await Promise.all(queries.map((query) => ask(query)));
    expect(before[0]!.totals.requests).toBeGreaterThanOrEqual((160 * 161) / 2);
    await insistOn(() => server.app.get(UsageRollUp, { strict: false }).run(AbortSignal.timeout(20_000)));
    expect(await Promise.all(queries.map((query) => ask(query)))).toEqual(before);
    before.forEach(expectToAddUp);
  });

  it.each(['api_key', 'route'] as const)('has at most fifty series by %s, and one for all others, over 400 days', async (kind) => {
    await insertCalls(kind, 70, 400, 1);
    const body = await ask(past(400, `group_by=${kind}`));
    expect(body.groups).toHaveLength(50);
    expect(body.others).toMatchObject({ groups: 20 });
    expect(body.others!.series).toHaveLength(400);
    expectToAddUp(body);
    // The last ones are those with the fewest calls: 1 to 20 a day.
    expect(body.others!.requests).toBe(400 * ((20 * 21) / 2));
    expect(body.totals.requests).toBe(400 * ((70 * 71) / 2));
    expect(body.totals).toEqual((await ask(past(400, 'group_by=none'))).totals);
    expect(JSON.stringify(body).length).toBeLessThan(5_000_000);
  });

  it('is nobody else’s', async () => {
    await insertCalls('route', 3, 40, 1);
    const stranger = await createTenant(server.anonymous);
    const seen = await ask(past(60, 'group_by=route'), stranger.client);
    expect(seen).toMatchObject({ groups: [], others: null, totals: { requests: 0, avg_response_time_ms: null, p95_response_time_ms: null } });
    expect(seen.series).toHaveLength(60);
  });

  it('is closed to a tenant that is suspended', async () => {
    await admin.patch(`/admin/tenants/${tenant.tenantId}`, { status: 'suspended' });
    expect(await tenant.client.get('/api/v1/tenant/usage')).toMatchObject({ status: 403, body: { code: 'tenant_suspended' } });
  });

  it('is read by the primary keys, under row level security', async () => {
    await server.database.seed(
      `WITH others AS (INSERT INTO tenants (id) SELECT gen_random_uuid() FROM generate_series(1, 2000) RETURNING id),
            people AS (INSERT INTO users (id, tenant_id, name, email, email_key, password_hash) SELECT id, id, '', '', id, '' FROM others),
            keys AS (INSERT INTO api_keys (id, tenant_id, user_id, name, key_hash, key_prefix, environment, permissions, lineage_id)
                     SELECT gen_random_uuid(), id, id, n::text, sha256((id::text || n)::bytea), '', 'live', '{read}', id FROM others, generate_series(1, 2) AS n),
            quotas AS (INSERT INTO tenant_quotas (tenant_id, resource) SELECT id, resource FROM others, unnest(ARRAY['documents', 'storage_mb', 'vector_points']) AS resource),
            history AS (INSERT INTO quota_history SELECT id, resource, date_trunc('hour', now()) - make_interval(hours => n), n
                          FROM others, unnest(ARRAY['documents', 'storage_mb', 'vector_points']) AS resource, generate_series(1, 10) AS n),
            days AS (INSERT INTO usage_daily SELECT id, current_date - n, id, 'GET /', 2, 1, 1, 1, 1, '{1}' FROM others, generate_series(36, 45) AS n)
       INSERT INTO usage_hourly SELECT id, date_trunc('hour', now()) - make_interval(hours => n), id, 'GET /', 2, 1, 1, 1, 1, '{1}' FROM others, generate_series(1, 10) AS n`,
    );
    await server.database.query('ANALYZE tenants, tenant_quotas, quota_history, usage_hourly, usage_daily, api_keys');
    const asked: [sql: string, values: unknown[]][] = [];
    const manager = { query: async (sql: string, values: unknown[]) => (asked.push([sql, values]), []) };
    const tx = { tenantId: tenant.tenantId, manager } as unknown as TenantTx;
    const filter = { from: new Date(Date.now() - 60 * DAY_MS), to: new Date() };
    await new UsageReportsRepository().sumBusiest(tx, filter, 'day', 'apiKeyId', 50);
    await new UsageReportsRepository().sumBusiest(tx, filter, 'day', 'route', 50);
    await new QuotaHistoryRepository().stockAt(tx, [filter.from, filter.to]);

    const login = new pg.Client({ connectionString: server.database.url });
    await login.connect();
    try {
      await login.query('BEGIN');
      await login.query(`SELECT set_config('role', 'morag_app', true), set_config('app.tenant_id', $1, true)`, [tenant.tenantId]);
      const plans: string[] = [];
      for (const [sql, values] of asked) plans.push((await login.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, values)).rows.map((row) => row['QUERY PLAN']).join('\n'));
      for (const plan of plans) expect(await withoutSmallMonths(server.database, plan)).not.toContain('Seq Scan');
      for (const plan of plans.slice(0, 2)) for (const index of [/usage_hourly_\w+_pkey/, /usage_daily_\w+_pkey/]) expect(plan).toMatch(index);
      for (const index of ['quota_history_pkey', 'tenant_quotas_pkey', 'tenants_pkey']) expect(plans[2]).toContain(index);
      expect(plans[2]).toMatch(/Index Cond: .*tenant_id.*resource.*hour/);
    } finally {
      await login.end();
    }
  });
});
