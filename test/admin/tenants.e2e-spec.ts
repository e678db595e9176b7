import type { TenantInfoDto, TenantListDto } from '../../src/tenancy/dto/tenant.dto.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { administrator, createTenant, PASSWORD } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { seedTenants, type SeededTenant } from '../support/large-installation.js';
import { plansOf } from '../support/plans.js';
import { queryText, type Query } from '../support/query.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

/** For what is quick alone and takes long beside other tests. */
const PATIENCE_MS = 120_000;
const LIST = '/admin/tenants';
const NOW_MS = Date.now();
const days = (ago: number): Date => new Date(NOW_MS - ago * 86_400_000);
/** Leaves out who registers while the tests run. */
const BEFORE_US = days(0.5).toISOString();

type Matches = (tenant: SeededTenant) => boolean;
/** Each filter with what it lets through, as somebody would say it who knows no SQL. */
const FILTERS: [string, string, Matches][] = [
  ['status', 'suspended', ({ status }) => status === 'suspended'],
  ['status', 'trial', ({ status }) => status === 'trial'],
  ['email_contains', 'dept7.example', ({ email }) => email.toLowerCase().includes('dept7.example')],
  ['email_contains', 'PERSON-99', ({ email }) => email.toLowerCase().includes('person-99')],
  ['email_contains', '%', () => false],
  ['name_contains', 'DÖRTE', ({ name }) => name.startsWith('Dörte')],
  ['name_contains', 'no. 12', ({ name }) => name.includes('No. 12')],
  ['created_after', days(30).toISOString(), ({ createdAt }) => createdAt > days(30)],
  ['created_before', days(600).toISOString(), ({ createdAt }) => createdAt < days(600)],
  ['last_login_after', days(60).toISOString(), ({ lastLogin }) => lastLogin !== null && lastLogin > days(60)],
  ['last_login_before', days(500).toISOString(), ({ lastLogin }) => lastLogin !== null && lastLogin < days(500)],
  ['over_quota', 'true', ({ isOverQuota }) => isOverQuota],
  ['over_quota', 'false', ({ isOverQuota }) => !isOverQuota],
];

describe('the administrator’s list of 10,000 tenants', () => {
  let server: TestApp;
  let admin: ApiClient;
  /** Newest first. */
  let seeded: SeededTenant[];

  beforeAll(async () => {
    server = await TestApp.start();
    admin = await administrator(server);
    await setLimits(admin, { tenantId: (await admin.get('/api/v1/tenant/info')).body.tenant_id }, { api_calls_per_hour: null });
    seeded = await seedTenants(server.database);
  }, PATIENCE_MS);
  afterAll(() => server.stop());

  function list(query: Query): Promise<Answer<TenantListDto>> {
    return admin.get(`${LIST}?${queryText(query)}`);
  }
  const idsOf = ({ body }: Answer<TenantListDto>): string[] => body.tenants.map(({ tenant_id }) => tenant_id);

  it('is walked by cursor without a gap or a repeat while tenants register', async () => {
    const walked: string[] = [];
    let registered = 0;
    let cursor: string | null = null;
    do {
      const page = list({ limit: 100, ...(cursor === null ? {} : { cursor }) });
      const isTurn = walked.length % 500 === 0;
      const [answer] = await Promise.all([page, isTurn ? server.anonymous.post('/auth/register', { name: 'New', email: `new-${registered++}@elsewhere.test`, password: PASSWORD }) : undefined]);
      expect(answer.status).toBe(200);
      walked.push(...idsOf(answer));
      cursor = answer.body.next_cursor;
      expect(answer.body.has_more).toBe(cursor !== null);
    } while (cursor !== null);
    expect(registered).toBeGreaterThan(10);
    expect(new Set(walked).size).toBe(walked.length);
    const known = new Set(seeded.map(({ id }) => id));
    expect(walked.filter((id) => known.has(id))).toEqual(seeded.map(({ id }) => id));
    // The administrator, and whoever registered before the first page was read.
    expect(walked.length - seeded.length).toBeLessThanOrEqual(2);
    expect((await list({ limit: 1 })).body.total).toBe(seeded.length + 1 + registered);
  }, PATIENCE_MS);

  it.each(FILTERS)('holds with %s=%s what it should: page by page, and by number', async (name, value, matches) => {
    const expected = seeded.filter(matches).map(({ id }) => id);
    const inside = { created_before: BEFORE_US, [name]: value };
    const first = await list({ ...inside, limit: 100 });
    expect(first.body).toMatchObject({ total: expected.length, skip: 0, limit: 100, has_more: expected.length > 100 });
    expect(idsOf(first)).toEqual(expected.slice(0, 100));
    if (first.body.next_cursor !== null) {
      expect(idsOf(await list({ ...inside, limit: 100, cursor: first.body.next_cursor }))).toEqual(expected.slice(100, 200));
    }
    const last = await list({ ...inside, skip: Math.max(0, expected.length - 7), limit: 10 });
    expect(idsOf(last)).toEqual(expected.slice(-7));
    expect(last.body).toMatchObject({ total: expected.length, has_more: false, next_cursor: null });
  });

  it('holds with filters in any combination what each of them lets through', async () => {
    let state = 1;
    const random = (below: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    let found = 0;
    for (let round = 0; round < 60; round++) {
      const chosen = new Map<string, (typeof FILTERS)[number]>();
      for (let at = 0; at < 2 + random(3); at++) {
        const filter = FILTERS[random(FILTERS.length)]!;
        chosen.set(filter[0], filter);
      }
      const filters = [...chosen.values()];
      const expected = seeded.filter((tenant) => filters.every(([, , matches]) => matches(tenant)));
      const query = { created_before: BEFORE_US, ...Object.fromEntries(filters.map(([name, value]) => [name, value])) };
      const answer = await list({ ...query, limit: 20 });
      expect([query, answer.body.total, idsOf(answer)]).toEqual([query, expected.length, expected.slice(0, 20).map(({ id }) => id)]);
      if (expected.length > 0) found++;
    }
    expect(found).toBeGreaterThan(20);
  }, PATIENCE_MS);

  it('shows each tenant as it is shown alone: with its quotas, and the calls of its hour', async () => {
    await staysWithinTheHour(10_000);
    const caller = await createTenant(server.anonymous, 'Grace Hopper');
    for (let at = 0; at < 5; at++) await caller.client.get('/api/v1/databases');
    const { body } = await list({ limit: 3 });
    const rows: TenantInfoDto[] = body.tenants;
    expect(rows[0]).toMatchObject({ tenant_id: caller.tenantId, user_name: 'Grace Hopper', user_email: caller.email, status: 'active', metadata: {} });
    expect(rows[0]!.usage_stats['api_calls_per_hour']).toBeGreaterThanOrEqual(5);
    for (const row of rows) expect(row).toEqual((await admin.get(`${LIST}/${row.tenant_id}`)).body);
    const over = await list({ over_quota: 'true', limit: 100 });
    expect(over.body.tenants).toHaveLength(100);
    for (const row of over.body.tenants) expect(row.quotas.quotas.filter((quota) => quota.is_exceeded && quota.resource_type !== 'api_calls_per_hour')).not.toEqual([]);
  });

  it('takes a cursor with the filter it was made for, and no other', async () => {
    const { body } = await list({ status: 'trial', limit: 5 });
    expect((await list({ status: 'trial', limit: 7, cursor: body.next_cursor! })).status).toBe(200);
    const other = [{}, { status: 'active' }, { status: 'trial', over_quota: 'false' }, { status: 'trial', created_after: '2020-01-01' }, { email_contains: 'trial' }];
    for (const filter of other) expect(await list({ ...filter, cursor: body.next_cursor! })).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
    const users = await admin.get('/admin/users?limit=1');
    expect(await list({ cursor: users.body.next_cursor })).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
  });

  it.each([
    ['limit', '101'], ['limit', '0'], ['skip', '-1'], ['status', 'ACTIVE'], ['status', 'deleted'], ['created_after', 'yesterday'], ['created_before', '5'],
    ['last_login_after', ''], ['last_login_before', '2026-13-01'], ['over_quota', 'yes'], ['over_quota', '1'], ['email_contains', 'x'.repeat(256)], ['email', 'a'],
  ])('refuses %s=%s', async (name, value) => {
    expect(await list({ [name]: value })).toMatchObject({ status: 400, body: { code: 'validation_failed', errors: [{ field: name }] } });
  });

  it('reads a page in the order of an index, and the quotas of all its tenants in one statement', async () => {
    const { body } = await list({ limit: 50 });
    for (const query of [{}, { cursor: body.next_cursor! }, { status: 'suspended' }]) {
      const plans = await plansOf(server, ['tenants', 'tenant_quotas'], () => list(query));
      const [page, count, quotas] = plans;
      expect(plans).toHaveLength(3);
      expect(page).toContain('Index Scan Backward using tenants_pkey');
      expect(page).not.toMatch(/Seq Scan|Sort/);
      if ('cursor' in query) expect(page).toMatch(/Index Cond: \(id < /);
      expect(count).toContain('count(*)');
      expect(quotas).toContain('tenant_quotas_pkey');
      expect(quotas).not.toContain('Seq Scan');
    }
  });
});
