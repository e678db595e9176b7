import pg from 'pg';
import type { ApiKeyUsageStatsDto } from '../../src/api-keys/dto/api-key-usage.dto.js';
import { Months } from '../../src/persistence/months.js';
import type { TenantTx } from '../../src/persistence/transactions.js';
import { UsageReportsRepository } from '../../src/tenancy/usage-reports.repository.js';
import { UsageRollUp } from '../../src/tenancy/usage-roll-up.js';
import { UsageService } from '../../src/tenancy/usage.service.js';
import type { Answer } from '../support/api-client.js';
import { administrator, createKey, createTenant, eventually, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { insistOn } from '../support/insisting.js';
import { withoutSmallMonths } from '../support/months.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

const UNKNOWN = '019a0000-0000-7000-8000-00000000dead';
const DAY_MS = 86_400_000;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

describe('the report on a key', () => {
  let server: TestApp;
  let tenant: Tenant;
  let key: Awaited<ReturnType<typeof createKey>>;

  beforeAll(async () => {
    server = await TestApp.start();
    tenant = await createTenant(server.anonymous);
    await setLimits(await administrator(server), tenant, { api_calls_per_hour: null });
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    key = await createKey(tenant.client, ['read'], { rate_limit_per_hour: 10_000 });
  });

  const ask = (query = ''): Promise<Answer<ApiKeyUsageStatsDto>> => tenant.client.get(`/api/v1/api-keys/${key.id}/usage${query}`);
  const flush = (): Promise<void> => server.app.get(UsageService, { strict: false }).flush();
  const rollUp = (): Promise<void> => insistOn(() => server.app.get(UsageRollUp, { strict: false }).run(AbortSignal.timeout(10_000)));

  it('counts 1,000 parallel requests as exactly 1,000, however they end', async () => {
    const startedAt = performance.now();
    const paths = (at: number): string => (at % 10 === 0 ? `/api/v1/databases/${UNKNOWN}` : '/api/v1/databases');
    const callers = Array.from({ length: 20 }, async (_, caller) => {
      for (let at = caller; at < 1000; at += 20) await (at % 5 === 1 ? key.client.post('/api/v1/search', { query: 'forbidden' }) : key.client.get(paths(at)));
    });
    await Promise.all(callers);
    const tookMs = performance.now() - startedAt;
    const { body } = await eventually(
      async () => {
        await flush();
        return ask('?granularity=hour');
      },
      (answer) => answer.body.total_requests >= 1000,
    );
    expect(body).toMatchObject({ total_requests: 1000, successful_requests: 700, failed_requests: 300, last_24h_requests: 1000, last_7d_requests: 1000, last_30d_requests: 1000, granularity: 'hour' });
    const shown = (await tenant.client.get(`/api/v1/api-keys/${key.id}`)).body as { usage_count: number; last_used: string };
    expect(shown.usage_count).toBe(1000);
    expect(Date.now() - Date.parse(shown.last_used)).toBeLessThan(60_000);
    expect(sum(body.series.map((point) => point.total_requests))).toBe(1000);
    expect(body.most_used_endpoints.map(({ endpoint, total_requests, failed_requests }) => [endpoint, total_requests, failed_requests])).toEqual([
      ['GET /api/v1/databases', 700, 0],
      ['POST /api/v1/search', 200, 200],
      ['GET /api/v1/databases/:id', 100, 100],
    ]);
    // 20 at a time, so that the mean is about a twentieth of a thousandth of the whole, and no request can be longer than the whole.
    expect(body.avg_response_time_ms).toBeGreaterThan(0);
    expect(body.avg_response_time_ms! * 1000).toBeLessThan(20 * tookMs);
    expect(body.p95_response_time_ms! * Math.SQRT2).toBeGreaterThan(body.avg_response_time_ms! / 2);
    expect(body.p95_response_time_ms! / Math.SQRT2).toBeLessThan(tookMs);
    expect(body.total_data_transferred_bytes).toBe(sum(body.most_used_endpoints.map((endpoint) => endpoint.total_data_transferred_bytes)));
    expect(body.total_data_transferred_bytes).toBeGreaterThan(200 * '{"query":"forbidden"}'.length);
  });

  it('of a key that was never used is all zeros, every day of the last thirty', async () => {
    const { status, body } = await ask();
    expect(status).toBe(200);
    expect(body).toMatchObject({ total_requests: 0, avg_response_time_ms: null, p95_response_time_ms: null, last_30d_requests: 0, most_used_endpoints: [], granularity: 'day' });
    expect(body.series).toHaveLength(31);
    expect(body.series[0]!.start).toBe(body.from);
    for (const point of body.series) expect(point).toMatchObject({ total_requests: 0, p95_response_time_ms: null, start: expect.stringMatching(/T00:00:00.000Z$/) });
  });

  it.each([
    ['?from=yesterday', 'from', 'from must be a time as in ISO 8601'],
    ['?granularity=minute', 'granularity', 'granularity must be one of the following values: hour, day'],
    ['?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'from', 'from must be earlier than to'],
    [`?granularity=hour&from=${new Date(Date.now() - 32 * DAY_MS).toISOString()}`, 'from', 'from must be at most 31 days before to with granularity=hour'],
    ['?from=-271821-04-20T00:00:00Z', 'from', 'from must be a time as in ISO 8601'],
    ['?since=2026-01-01', 'since', 'property since should not exist'],
  ])('says what is wrong with %s', async (query, field, message) => {
    expect(await ask(query)).toMatchObject({ status: 400, body: { code: 'validation_failed', errors: [{ field, message }] } });
  });

  describe('over hours that are long past', () => {
    // What is compared with what was seen a moment before is so many days back from now.
    beforeEach(() => staysWithinTheHour(10_000));

    /** One row for every 7 hours and either class, from so many days ago until so many. */
    async function insertHours(daysAgoFrom: number, daysAgoTo: number): Promise<void> {
      await server.database.query(
        `INSERT INTO usage_hourly (tenant_id, hour, api_key_id, route, status_class, requests, duration_ms, bytes_in, bytes_out, latency)
         SELECT $1, hour, $2, 'GET /' || (at % 3), class, 10 + at % 7, 100 + at, at, 2 * at, CASE WHEN at % 5 > 0 THEN ARRAY[0, at % 4, 3, 0, at % 9]::bigint[] ELSE '{}' END
           FROM generate_series(date_trunc('day', now(), 'UTC') - make_interval(days => $3), date_trunc('day', now(), 'UTC') - make_interval(days => $4), interval '7 hours')
                WITH ORDINALITY AS hours (hour, at), (VALUES (2), (4)) AS classes (class)`,
        [tenant.tenantId, key.id, daysAgoFrom, daysAgoTo],
      );
    }

    const counts = async (): Promise<unknown> => {
      const [row] = await server.database.query(
        `SELECT (SELECT count(*)::int FROM usage_hourly WHERE hour < date_trunc('day', now(), 'UTC') - interval '35 days') AS "oldHours",
                (SELECT count(*)::int FROM usage_daily WHERE api_key_id = $1) AS days, (SELECT count(*)::int FROM usage_daily WHERE day < current_date - 401) AS "oldDays"`,
        [key.id],
      );
      return row;
    };

    it('says the same before and after they are rolled up, and rolling up twice changes nothing', async () => {
      await insertHours(60, 20);
      const query = `?from=${new Date(Date.now() - 61 * DAY_MS).toISOString()}`;
      const before = (await ask(query)).body;
      expect(before.total_requests).toBeGreaterThan(1000);
      expect(before.p95_response_time_ms).not.toBeNull();
      await rollUp();
      const after = (await ask(query)).body;
      const left = await counts();
      // 60 up to 36 days ago, three routes and two classes where the day has more than three hours that were used.
      expect(left).toMatchObject({ oldHours: 0, oldDays: 0 });
      expect((left as { days: number }).days).toBeGreaterThan(25 * 2);
      expect(after).toEqual({ ...before, to: after.to });
      await rollUp();
      expect((await ask(query)).body.series).toEqual(before.series);
      expect(await counts()).toEqual(left);
    });

    it('adds what comes late to the day that it belongs to', async () => {
      await insertHours(50, 48);
      await rollUp();
      const query = `?from=${new Date(Date.now() - 55 * DAY_MS).toISOString()}`;
      const once = (await ask(query)).body;
      await insertHours(50, 48);
      await Promise.all([rollUp(), rollUp()]);
      const twice = (await ask(query)).body;
      expect(twice.series.map((point) => point.total_requests)).toEqual(once.series.map((point) => 2 * point.total_requests));
      // Twice as many of the same: but for the place of a rank within its bucket.
      expect(twice.p95_response_time_ms).toBeCloseTo(once.p95_response_time_ms!, 1);
    });

    it('forgets months of which every day is over 400 days old, and processes that wrote nothing for a week', async () => {
      await insertHours(405, 398);
      await server.database.query(`INSERT INTO usage_flushes SELECT gen_random_uuid(), 1, now() - make_interval(days => days) FROM unnest(ARRAY[6, 8]) AS days`);
      // And nothing is lost where a month could not be made in time.
      await server.database.query(`INSERT INTO usage_daily SELECT $1, (now() AT TIME ZONE 'UTC')::date - days, $2, 'GET /', 2, 1, 1, 1, 1, '{1}' FROM unnest(ARRAY[400, 431 + 1]) AS days`, [tenant.tenantId, key.id]);
      await insistOn(() => server.app.get(Months, { strict: false }).open());
      await flush();
      await rollUp();
      const [row] = await server.database.query(
        `SELECT (SELECT (now() AT TIME ZONE 'UTC')::date - min(day) BETWEEN 400 AND 431 FROM usage_daily) AS "isKeptAtLeast", (SELECT count(*)::int FROM usage_flushes WHERE written_at < now() - interval '7 days') AS gone,
                (SELECT count(*)::int FROM usage_flushes WHERE written_at < now() - interval '5 days') AS kept`,
      );
      expect(row).toEqual({ isKeptAtLeast: true, gone: 0, kept: 1 });
    });
  });

  it('is read by the primary keys, under row level security', async () => {
    await server.database.query(
      `WITH others AS (INSERT INTO tenants (id) SELECT gen_random_uuid() FROM generate_series(1, 100) RETURNING id),
            days AS (INSERT INTO usage_daily SELECT id, current_date - at, id, 'GET /', 2, 1, 1, 1, 1, '{1}' FROM others, generate_series(36, 236) AS at)
       INSERT INTO usage_hourly SELECT id, date_trunc('hour', now()) - make_interval(hours => at), id, 'GET /', 2, 1, 1, 1, 1, '{1}' FROM others, generate_series(1, 500) AS at`,
    );
    await server.database.query('ANALYZE usage_hourly, usage_daily');
    const asked: [sql: string, values: unknown[]][] = [];
    const manager = { query: async (sql: string, values: unknown[]) => (asked.push([sql, values]), []) };
    const tx = { tenantId: tenant.tenantId, manager } as unknown as TenantTx;
    const filter = { from: new Date(Date.now() - 60 * DAY_MS), to: new Date(), apiKeyId: key.id };
    const reports = new UsageReportsRepository();
    await reports.sumBy(tx, filter, ['day']);
    await reports.sumBy(tx, { ...filter, apiKeyId: undefined }, ['route'], 10);
    await reports.countSince(tx, [filter.from], key.id);
    expect(asked).toHaveLength(3);

    const login = new pg.Client({ connectionString: server.database.url });
    await login.connect();
    try {
      await login.query('BEGIN');
      await login.query(`SELECT set_config('role', 'morag_app', true), set_config('app.tenant_id', $1, true)`, [tenant.tenantId]);
      for (const [sql, values] of asked) {
        const { rows } = await login.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, values);
        const plan = await withoutSmallMonths(server.database, rows.map((row) => row['QUERY PLAN']).join('\n'));
        expect(plan).not.toContain('Seq Scan');
        expect(plan).toMatch(/usage_hourly_\w+_pkey/);
        if (sql.includes('usage_daily')) expect(plan).toMatch(/usage_daily_\w+_pkey/);
        expect(plan).toMatch(/Index Cond: .*tenant_id/);
      }
    } finally {
      await login.end();
    }
  });

  it('of another tenant’s key is the same 404 as of a missing one', async () => {
    const stranger = await createTenant(server.anonymous);
    const seen = async (id: string): Promise<unknown> => {
      const { status, body } = await stranger.client.get(`/api/v1/api-keys/${id}/usage`);
      return { status, ...body, request_id: '', instance: '' };
    };
    expect(await seen(key.id)).toEqual(await seen(UNKNOWN));
    expect(await seen(UNKNOWN)).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('is rolled up by the clock', async () => {
    const schedules = await server.database.query(`SELECT name, cron, timezone FROM pgboss.schedule WHERE name = 'roll-up-usage'`);
    expect(schedules).toEqual([{ name: 'roll-up-usage', cron: '17 3 * * *', timezone: 'UTC' }]);
  });
});
