import pg from 'pg';
import { BackupRuns, BACKUP_LOCK } from '../../src/persistence/backup-lock.js';
import { Months } from '../../src/persistence/months.js';
import { createTenant, eventually, type Tenant } from '../support/factories.js';
import { insistOn } from '../support/insisting.js';
import { idMadeAt, monthsOf } from '../support/months.js';
import { TestApp } from '../support/test-app.js';

const FAMILIES = [['usage_hourly'], ['usage_daily'], ['embedding_usage'], ['audit_entries', 'audit_links'], ['webhook_deliveries', 'webhook_attempts']];
const TABLES = FAMILIES.flat();
const WRITTEN = ['usage_hourly', 'usage_daily', 'embedding_usage', 'webhook_deliveries', 'webhook_attempts'];
const nameOf = (date: Date): string => date.toISOString().slice(0, 7).replace('-', '_');
const monthsFrom = (date: Date, count: number): string[] => Array.from({ length: count }, (_, at) => nameOf(new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + at, 1))));
const signal = new AbortController().signal;

describe('months', () => {
  let server: TestApp;
  let months: Months;
  let tenant: Tenant;

  beforeAll(async () => {
    server = await TestApp.start({ ROLE: 'api' });
    months = server.app.get(Months, { strict: false });
    tenant = await createTenant(server.anonymous);
    // The one call of its own that is counted; later there is nothing but what the tests write.
    await eventually(() => server.database.query('DELETE FROM usage_hourly WHERE tenant_id = $1 RETURNING true', [tenant.tenantId]), (gone) => gone.length === 1);
    await server.database.query(`INSERT INTO webhooks (tenant_id, id, url, events, secret, is_active) VALUES ($1, $1, 'http://127.0.0.1:9/', '{*}', '', false)`, [tenant.tenantId]);
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    for (const table of WRITTEN) await server.database.query(`DELETE FROM ${table} WHERE tenant_id = $1`, [tenant.tenantId]);
  });

  async function eachTable(): Promise<Record<string, string[]>> {
    const seen: Record<string, string[]> = {};
    for (const table of TABLES) seen[table] = await monthsOf(server.database, table);
    return seen;
  }

  const everywhere = (expected: string[]): Record<string, string[]> => Object.fromEntries(TABLES.map((table) => [table, expected]));

  /** A delivery with an attempt, and sums of usage, of a time, which is SQL. */
  async function write(when: string): Promise<void> {
    const time = `(${when})`;
    await server.database.query(
      `WITH delivery AS (INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, lane, event_type, event_at, data, created_at)
                         SELECT $1::uuid, ${idMadeAt(time)}, $1::uuid, '', 'quota.warning', ${time}, '{}', ${time} RETURNING tenant_id, id)
       INSERT INTO webhook_attempts SELECT tenant_id, id, 1, ${time}, 1, 200 FROM delivery`,
      [tenant.tenantId],
    );
    await server.database.query(`INSERT INTO usage_hourly VALUES ($1, date_trunc('hour', ${time}), $1, 'GET /', 2, 1, 1, 1, 1, '{1}')`, [tenant.tenantId]);
    await server.database.query(`INSERT INTO usage_daily VALUES ($1, (${time} AT TIME ZONE 'UTC')::date, $1, 'GET /', 2, 1, 1, 1, 1, '{1}')`, [tenant.tenantId]);
    await server.database.query(`INSERT INTO embedding_usage VALUES ($1, date_trunc('hour', ${time}), 1, 1)`, [tenant.tenantId]);
  }

  /** In which tables the tenant's rows lie, once each. */
  async function placesOf(table: string): Promise<string[]> {
    const rows = await server.database.query<{ part: string }>(`SELECT replace(tableoid::regclass::text, 'partitions.' || $2 || '_', '') AS part FROM ${table} WHERE tenant_id = $1 ORDER BY 1`, [tenant.tenantId, table]);
    return rows.map(({ part }) => part);
  }

  it('are there from the first start on, this one and the next two, and are made ahead as the clock goes on', async () => {
    const now = new Date();
    expect(await eachTable()).toEqual(everywhere(monthsFrom(now, 3)));
    await insistOn(() => months.open(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1))));
    expect(await eachTable()).toEqual(everywhere(monthsFrom(now, 4)));
  });

  it('are made once by many at once', async () => {
    const present = (await monthsOf(server.database, 'audit_links')).length;
    const later = new Date(Date.now() + 200 * 86_400_000);
    // Whoever would have to wait too long for the others is told so, and comes again.
    const results = await Promise.allSettled(Array.from({ length: 4 }, () => months.open(later)));
    expect(results.filter((result) => result.status === 'rejected' && (result.reason as { code?: string }).code !== '55P03')).toEqual([]);
    await insistOn(() => months.open(later));
    expect((await monthsOf(server.database, 'audit_links')).length).toBe(present + 3);
    expect(await eachTable()).toEqual(everywhere(await monthsOf(server.database, 'audit_links')));
  });

  it('take what is written in one that nobody opened, and rows move into it later with what refers to them, telling nobody a second time', async () => {
    const long = `now() - interval '5 years'`;
    await write(long);
    const audited = (await server.database.query('SELECT FROM audit_links')).length;
    const listener = new pg.Client({ connectionString: server.database.superuserUrl });
    await listener.connect();
    const heard: string[] = [];
    listener.on('notification', ({ channel }) => heard.push(channel));
    await listener.query('LISTEN morag_webhook_delivery');
    try {
      for (const table of WRITTEN) expect([table, await placesOf(table)]).toEqual([table, ['default']]);
      await insistOn(() => months.open());
      const [{ month }] = (await server.database.query<{ month: string }>(`SELECT to_char((${long}) AT TIME ZONE 'UTC', 'YYYY_MM') AS month`)) as [{ month: string }];
      for (const table of WRITTEN) expect([table, await placesOf(table)]).toEqual([table, [month]]);
      await listener.query('SELECT 1');
      expect(heard).toEqual([]);
    } finally {
      await listener.end();
    }
    expect((await server.database.query('SELECT FROM audit_links')).length).toBe(audited);
    // What comes later has to refer to what is there, as everywhere.
    await expect(server.database.query(`INSERT INTO webhook_attempts VALUES ($1, ${idMadeAt(`(${long})`)}, 1, now(), 1, 200)`, [tenant.tenantId])).rejects.toThrow('webhook_attempts_tenant_id_delivery_id_fkey');
  });

  it('leave alone what no clock can have made', async () => {
    await server.database.query(
      `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, lane, event_type, event_at, data) SELECT $1::uuid, id, $1::uuid, '', 'quota.warning', now(), '{}'
         FROM unnest('{ffffffff-ffff-4fff-8fff-ffffffffffff,f0000000-0000-7000-8000-000000000000,00000000-0000-7000-8000-000000000000}'::uuid[]) id`,
      [tenant.tenantId],
    );
    const before = await eachTable();
    await insistOn(() => months.open());
    expect(await eachTable()).toEqual(before);
    expect(await placesOf('webhook_deliveries')).toEqual(['default', 'default', 'default']);
  });

  it('are dropped when their last day is old enough, and nothing else is', async () => {
    const times = { edge: `date_trunc('month', now() AT TIME ZONE 'UTC' - interval '3 months') AT TIME ZONE 'UTC'`, before: '' };
    times.before = `${times.edge} - interval '1 second'`;
    for (const time of Object.values(times)) await write(time);
    await insistOn(() => months.open());
    const [{ days }] = (await server.database.query<{ days: number }>(`SELECT (now() AT TIME ZONE 'UTC')::date - (${times.edge} AT TIME ZONE 'UTC')::date AS days`)) as [{ days: number }];
    const all = await eachTable();
    // The last day of the month before the edge is one more day ago than the edge.
    for (const family of ['usage_daily', 'embedding_usage', 'webhook_deliveries'] as const) {
      await insistOn(() => months.dropOver(family, days + 1, signal));
      expect((await placesOf(family)).length).toBe(2);
      await insistOn(() => months.dropOver(family, days, signal));
    }
    // Hours have to be made days first.
    await insistOn(() => months.dropOver('usage_hourly', days, signal, { onlyEmpty: true }));
    const after = await eachTable();
    const old = all['usage_daily']!.filter((month) => !after['usage_daily']!.includes(month));
    expect(old.length).toBeGreaterThanOrEqual(1);
    for (const table of ['usage_daily', 'embedding_usage', 'webhook_deliveries', 'webhook_attempts']) expect([table, (await placesOf(table)).length]).toEqual([table, 1]);
    expect((await placesOf('usage_hourly')).length).toBe(2);
    expect(after['audit_entries']).toEqual(all['audit_entries']);
    await server.database.query(`DELETE FROM usage_hourly WHERE hour < ${times.edge}`);
    await insistOn(() => months.dropOver('usage_hourly', days, signal, { onlyEmpty: true }));
    expect(await placesOf('usage_hourly')).toEqual([after['usage_hourly']!.find((month) => month > old.at(-1)!)]);
    await expect(server.database.query(`SELECT drop_month('{usage_daily}', date_trunc('month', now())::date, false)`)).rejects.toThrow('kept for 30 days');
  });

  it('are not dropped while a backup reads, and whoever is in the way of one is waited for a moment only', async () => {
    await write(`now() - interval '100 days'`);
    await insistOn(() => months.open());
    const reader = new pg.Client({ connectionString: server.database.superuserUrl });
    await reader.connect();
    try {
      await reader.query('BEGIN');
      await reader.query('SELECT pg_advisory_xact_lock($1)', [BACKUP_LOCK]);
      await expect(months.dropOver('webhook_deliveries', 30, signal)).rejects.toThrow(BackupRuns);
      await reader.query('ROLLBACK; BEGIN; SELECT FROM webhook_deliveries LIMIT 1');
      await expect(months.dropOver('webhook_deliveries', 30, signal)).rejects.toMatchObject({ code: '55P03' });
      expect(await placesOf('webhook_deliveries')).toHaveLength(1);
    } finally {
      await reader.end();
    }
    await insistOn(() => months.dropOver('webhook_deliveries', 30, signal));
    expect(await placesOf('webhook_deliveries')).toEqual([]);
  });
});
