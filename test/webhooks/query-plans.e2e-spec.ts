import pg from 'pg';
import type { SystemTx } from '../../src/persistence/transactions.js';
import { OutgoingRepository } from '../../src/webhooks/deliveries/outgoing.repository.js';
import { createTenant, type Tenant } from '../support/factories.js';
import { openPastMonths } from '../support/months.js';
import { explain } from '../support/query-plan.js';
import { StatementRecorder, type Recorded } from '../support/statement-recorder.js';
import { TestApp } from '../support/test-app.js';
import { register, type Endpoint } from '../support/webhook-receiver.js';

const DELIVERIES = 30_000;
const MONTHS = 2;
/** Of the tenant's ten thousand: what is as rare as those that have failed or wait may be read and put in order. */
const A_FEW_HUNDRED = 300;

describe('deliveries, many of many tenants over the months that they are kept,', () => {
  let server: TestApp;
  let recorder: StatementRecorder;
  let login: pg.Client;
  let tenant: Tenant;
  let path: string;

  beforeAll(async () => {
    // In which nobody sends anything.
    server = await TestApp.start({ ROLE: 'api', OUTBOUND_ALLOW: '127.0.0.1:9' });
    tenant = await createTenant(server.anonymous);
    const webhook = await register(tenant.client, { url: 'http://127.0.0.1:9/' } as Endpoint);
    path = webhook.path;
    await openPastMonths(server.database, 'webhook_deliveries', MONTHS);
    await server.database.seed(
      `WITH others AS (INSERT INTO tenants (id) SELECT gen_random_uuid() FROM generate_series(1, 40) RETURNING id),
            theirs AS (INSERT INTO webhooks (tenant_id, id, url, events, secret) SELECT id, id, 'http://127.0.0.1:9/', '{*}', '' FROM others RETURNING tenant_id, id),
            -- To the end of the present one: on its first days it would else be too small for an index to be worth while.
            months AS (SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '${MONTHS} months') AT TIME ZONE 'UTC' AS first, (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC' AS after),
            every AS (SELECT tenant_id, id, row_number() OVER () AS m FROM (SELECT tenant_id, id FROM theirs UNION ALL SELECT $1::uuid, $2::uuid FROM generate_series(1, 20)) w)
       INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, lane, event_type, event_at, data, status, due_at)
       SELECT tenant_id, (lpad(to_hex((extract(epoch FROM months.first + (n - 1) / $3::float8 * (months.after - months.first)) * 1000)::bigint), 12, '0') || '7000' || lpad(to_hex(n), 16, '0'))::uuid, id, id::text,
              CASE WHEN n < 300 THEN 'api_key.created' ELSE 'document.ingested' END, now(), '{}', CASE WHEN n > $3 - 600 THEN 'pending' WHEN n < 300 THEN 'failed' ELSE 'delivered' END,
              CASE WHEN n % 2 = 0 THEN now() ELSE now() + interval '1 hour' END
         FROM generate_series(1, $3::int) n JOIN every ON every.m = 1 + n % 60 CROSS JOIN months`,
      [tenant.tenantId, webhook.id, DELIVERIES],
    );
    await server.database.query('VACUUM ANALYZE webhook_deliveries');
    recorder = StatementRecorder.listenTo(server);
    login = new pg.Client({ connectionString: server.database.url });
    await login.connect();
  });
  afterAll(async () => {
    await login.end();
    await server.stop();
  });

  it.each(['', '?status=delivered', '?status=pending', '?status=failed', '?event_type=document.ingested', '?event_type=api_key.created', '?event_type=job.failed'])('are read a page at a time, on the first page and on the next: %s', async (filter) => {
    const read = async (query: string): Promise<{ parts: Set<string>; cursor: string | null }> => {
      let cursor: string | null = null;
      const statements = await recorder.watch(async () => void ({ body: { next_cursor: cursor } } = await tenant.client.get<{ next_cursor: string | null }>(`${path}/deliveries${query}`)));
      const lists = statements.filter(({ sql }) => sql.includes('FROM "webhook_deliveries"'));
      expect(lists).toHaveLength(1);
      const accesses = (await explain(login, lists[0]!)).filter(({ table }) => table === 'webhook_deliveries');
      expect([accesses, accesses.filter(({ by, rows }) => by === 'Seq Scan' && rows > 0), accesses.reduce((sum, { rows }) => sum + rows, 0) <= A_FEW_HUNDRED]).toEqual([accesses, [], true]);
      return { parts: new Set(accesses.map(({ part }) => part!)), cursor };
    };
    const { parts, cursor } = await read(filter);
    if (cursor === null) return;
    const next = await read(`${filter}${filter === '' ? '?' : '&'}cursor=${encodeURIComponent(cursor)}`);
    // The months that come after the cursor are not looked into.
    expect(next.parts.size).toBeLessThan(parts.size);
  });

  it('that are due are found in each month by the index of those that wait', async () => {
    const asked: [sql: string, values: unknown[]][] = [];
    const manager = { query: async (sql: string, values: unknown[]) => (asked.push([sql, values]), []) };
    await new OutgoingRepository().claim({ manager } as unknown as SystemTx, [], { total: 32, perTenant: 12, perLane: 4 });
    const [[sql, values]] = asked as [[string, unknown[]]];
    const accesses = (await explain(login, { sql, values, role: 'morag_system', tenantId: '' } satisfies Recorded)).filter(({ table }) => table === 'webhook_deliveries');
    const present = `webhook_deliveries_${new Date().toISOString().slice(0, 7).replace('-', '_')}`;
    const filled = accesses.filter(({ part }) => part! <= present);
    expect(filled.filter(({ by }) => by === 'Seq Scan')).toEqual([]);
    const indexes = [...new Set(filled.map(({ index }) => index))];
    expect(indexes).toEqual(expect.arrayContaining(['webhook_deliveries_pending', 'webhook_deliveries_in_order', 'webhook_deliveries_pkey']));
    expect(new Set(filled.filter(({ index }) => index === 'webhook_deliveries_pending').map(({ part }) => part)).size).toBe(MONTHS + 1);
    // And it does find them.
    await login.query('BEGIN');
    await login.query(`SELECT set_config('role', 'morag_system', true)`);
    expect((await login.query(sql, values)).rows).toHaveLength(32);
    await login.query('ROLLBACK');
  });
});
