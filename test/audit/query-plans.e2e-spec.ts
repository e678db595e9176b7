import pg from 'pg';
import { administrator, createTenant, type Tenant } from '../support/factories.js';
import { openPastMonths } from '../support/months.js';
import { explain } from '../support/query-plan.js';
import { StatementRecorder, type Recorded } from '../support/statement-recorder.js';
import { TestApp } from '../support/test-app.js';

const ENTRIES = 40_000;
const MONTHS = 14;
/** What is as rare, and all in one month, may be read and put in order. */
const RARE = 300;
/** A page of 50, the row that tells whether another follows, one of each month that is looked into, and a few that are passed over. */
const A_PAGE = 100;
const ADDRESS = '192.0.2.1';
const id = (n: number): string => `019a0000-${n.toString(16).padStart(4, '0')}-7000-8000-000000000000`;

describe('every list of the audit, at many entries of many tenants over many months,', () => {
  let server: TestApp;
  let recorder: StatementRecorder;
  let login: pg.Client;
  let tenants: Record<'the largest' | 'a small one', Tenant>;

  beforeAll(async () => {
    server = await TestApp.start({ ROLE: 'api' });
    tenants = { 'the largest': await createTenant(server.anonymous), 'a small one': await createTenant(server.anonymous) };
    const superuser = new pg.Client({ connectionString: server.database.superuserUrl });
    await superuser.connect();
    await openPastMonths(server.database, 'audit_entries', MONTHS);
    // Without their links, which no list reads. The largest has a third, the small one a hundredth; one action, one result and each id are rare, and then old.
    await superuser.query('SET session_replication_role = replica');
    await superuser.query(
      `INSERT INTO audit_entries (tenant_id, id, actor_type, actor_id, api_key_id, action, target_type, target_id, result, request_id, ip)
       SELECT CASE WHEN n % 3 = 0 THEN $1::uuid WHEN n % 100 = 1 THEN $2::uuid ELSE ('019b' || lpad(to_hex(n % 300), 8, '0') || '70008000000000000000')::uuid END,
              (lpad(to_hex((extract(epoch FROM now() - (1 - n / $6::float8) * interval '${MONTHS} months') * 1000)::bigint), 12, '0') || '7000' || lpad(to_hex(n), 16, '0'))::uuid, 'user', CASE WHEN n < ${RARE} THEN $3::uuid ELSE $4::uuid END, CASE WHEN n < ${RARE} THEN $3::uuid WHEN n % 2 = 0 THEN $4::uuid END,
              CASE WHEN n < ${RARE} THEN 'api_key.created' ELSE 'document.created' END, CASE WHEN n < ${RARE} THEN 'api_key' ELSE 'document' END, CASE WHEN n < ${RARE} THEN $3::uuid ELSE gen_random_uuid() END,
              CASE WHEN n < ${RARE} THEN 'denied' ELSE 'success' END, CASE WHEN n < 6 THEN $3::uuid::text ELSE gen_random_uuid()::text END, CASE WHEN n < ${RARE} THEN $5 ELSE '198.51.100.7' END
         FROM generate_series(1, $6::int) n`,
      [tenants['the largest'].tenantId, tenants['a small one'].tenantId, id(1), id(2), ADDRESS, ENTRIES],
    );
    await superuser.query('VACUUM ANALYZE audit_entries');
    await superuser.end();
    recorder = StatementRecorder.listenTo(server);
    login = new pg.Client({ connectionString: server.database.url });
    await login.connect();
  }, 60_000);
  afterAll(async () => {
    await login.end();
    await server.stop();
  });

  async function expectAPage(statements: readonly Recorded[], bound = A_PAGE): Promise<void> {
    const lists = statements.filter(({ sql }) => sql.includes('FROM audit_entries'));
    expect(lists).toHaveLength(1);
    const accesses = await explain(login, lists[0]!);
    expect([accesses, accesses.filter(({ by, rows }) => by === 'Seq Scan' && rows > 0), accesses.reduce((sum, { rows }) => sum + rows, 0) <= bound]).toEqual([accesses, [], true]);
  }

  const FILTERS = [
    '', '?action=document.created', '?action=api_key.created', '?action=document.deleted', '?action=document.*', '?action=api_key.*', '?action=webhook.*', '?result=success', '?result=denied', '?result=failed',
    `?ip=${ADDRESS}`, '?ip=203.0.113.7', `?request_id=${id(1)}`, `?request_id=${id(9)}`, `?target_id=${id(1)}`, `?target_id=${id(9)}`, `?api_key_id=${id(1)}`, `?api_key_id=${id(2)}`, `?actor_id=${id(1)}`, `?actor_id=${id(2)}`,
    '?created_before=2020-01-01T00:00:00Z', '?created_after=2020-01-01T00:00:00Z&action=document.*',
  ];

  it.each(FILTERS.flatMap((filter) => (['the largest', 'a small one'] as const).map((size) => [filter, size] as const)))('reads the entries of its page: %s of %s', async (filter, size) => {
    await expectAPage(await recorder.watch(() => tenants[size].client.get(`/api/v1/audit${filter}`)));
  });

  it.each(['', '?action=document.created', '?action=api_key.created', '?action=tenant.purged', `?request_id=${id(1)}`, `?request_id=${id(9)}`])('reads the entries of its page over all tenants: %s', async (filter) => {
    const admin = await administrator(server);
    await expectAPage(await recorder.watch(() => admin.get(`/admin/audit${filter}`)), A_PAGE + RARE);
  });
});
