import type { UserListDto } from '../../src/users/dto/user.dto.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { administrator, PASSWORD } from '../support/factories.js';
import { seedTenants, type SeededTenant } from '../support/large-installation.js';
import { plansOf } from '../support/plans.js';
import { queryText, type Query } from '../support/query.js';
import { setLimits } from '../support/quotas.js';
import { TestApp } from '../support/test-app.js';

/** For what is quick alone and takes long beside other tests. */
const PATIENCE_MS = 120_000;
const NOW_MS = Date.now();
const days = (ago: number): Date => new Date(NOW_MS - ago * 86_400_000);
/** Leaves out who registers while the tests run. */
const BEFORE_US = days(0.5).toISOString();

const FILTERS: [string, string, (person: SeededTenant) => boolean][] = [
  ['role', 'ADMIN', ({ role }) => role === 'ADMIN'],
  ['role', 'VIEWER', ({ role }) => role === 'VIEWER'],
  ['is_active', 'false', ({ isActive }) => !isActive],
  ['is_active', 'true', ({ isActive }) => isActive],
  ['email_contains', 'DEPT3.', ({ email }) => email.includes('dept3.')],
  ['name_contains', 'çelik', ({ name }) => name.startsWith('Çelik')],
  ['created_after', days(40).toISOString(), ({ createdAt }) => createdAt > days(40)],
  ['created_before', days(500).toISOString(), ({ createdAt }) => createdAt < days(500)],
  ['last_login_after', days(60).toISOString(), ({ lastLogin }) => lastLogin !== null && lastLogin > days(60)],
  ['last_login_before', days(400).toISOString(), ({ lastLogin }) => lastLogin !== null && lastLogin < days(400)],
];

describe('the administrator’s list of 10,000 people', () => {
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

  function list(query: Query): Promise<Answer<UserListDto>> {
    return admin.get(`/admin/users?${queryText(query)}`);
  }
  const idsOf = ({ body }: Answer<UserListDto>): string[] => body.users.map(({ id }) => id);

  it('is walked by cursor without a gap or a repeat while people register', async () => {
    const walked: string[] = [];
    let registered = 0;
    let cursor: string | null = null;
    do {
      const page = list({ limit: 100, ...(cursor === null ? {} : { cursor }) });
      const isTurn = walked.length % 1000 === 0;
      const [answer] = await Promise.all([page, isTurn ? server.anonymous.post('/auth/register', { name: 'New', email: `new-${registered++}@elsewhere.test`, password: PASSWORD }) : undefined]);
      walked.push(...idsOf(answer));
      cursor = answer.body.next_cursor;
    } while (cursor !== null);
    expect(registered).toBeGreaterThan(5);
    expect(new Set(walked).size).toBe(walked.length);
    const known = new Set(seeded.map(({ id }) => id));
    expect(walked.filter((id) => known.has(id))).toEqual(seeded.map(({ id }) => id));
  }, PATIENCE_MS);

  it('holds with each filter, and with any two, who they let through, and counts when asked to', async () => {
    const pairs = FILTERS.flatMap((one, at) => FILTERS.slice(at + 1).filter(([name]) => name !== one[0]).map((other) => [one, other]));
    for (const chosen of [[], ...FILTERS.map((filter) => [filter]), ...pairs]) {
      const query = { created_before: BEFORE_US, ...Object.fromEntries(chosen.map(([name, value]) => [name, value])) };
      const expected = seeded.filter((person) => chosen.every(([, , matches]) => matches(person))).map(({ id }) => id);
      const first = await list({ ...query, limit: 20, include_total: 'true' });
      expect([query, first.body.total, idsOf(first)]).toEqual([query, expected.length, expected.slice(0, 20)]);
      if (first.body.next_cursor === null) continue;
      const second = await list({ ...query, limit: 20, cursor: first.body.next_cursor });
      expect(idsOf(second)).toEqual(expected.slice(20, 40));
      expect(second.body).not.toHaveProperty('total');
    }
  }, PATIENCE_MS);

  it('shows each person as it is shown alone', async () => {
    const { body } = await list({ created_before: BEFORE_US, limit: 2 });
    for (const [at, shown] of body.users.entries()) {
      const { id, name, email, role, isActive, createdAt, lastLogin } = seeded[at]!;
      expect(shown).toMatchObject({ id, tenant_id: id, name, email, role, is_active: isActive, created_at: createdAt.toISOString(), last_login: lastLogin?.toISOString() ?? null });
      expect(shown).not.toHaveProperty('password_hash');
      expect((await admin.get(`/admin/users/${id}`)).body).toEqual(shown);
    }
  });

  it('takes a cursor with the filter it was made for, and no other', async () => {
    const { body } = await list({ role: 'VIEWER', limit: 5 });
    expect((await list({ role: 'VIEWER', limit: 7, include_total: 'true', cursor: body.next_cursor! })).status).toBe(200);
    for (const other of [{}, { role: 'USER' }, { role: 'VIEWER', last_login_after: '2020-01-01' }]) expect(await list({ ...other, cursor: body.next_cursor! })).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
  });

  it.each([
    ['limit', '101'], ['role', 'admin'], ['is_active', 'maybe'], ['created_after', 'x'], ['created_before', ''], ['last_login_after', '7'], ['last_login_before', '2026-02-30T99:00:00Z'], ['include_total', '2'], ['skip', '5'],
  ])('refuses %s=%s', async (name, value) => {
    expect(await list({ [name]: value })).toMatchObject({ status: 400, body: { code: 'validation_failed', errors: [{ field: name }] } });
  });

  it('reads a page in the order of an index, and one person by an index', async () => {
    const { body } = await list({ limit: 50 });
    for (const query of [{}, { cursor: body.next_cursor! }, { role: 'VIEWER' }, { is_active: 'false' }]) {
      const [page, ...more] = await plansOf(server, ['users'], () => list(query));
      expect(more).toEqual([]);
      expect(page).toContain('using users_newest_first');
      expect(page).not.toMatch(/Seq Scan|Sort/);
    }
    expect((await plansOf(server, ['users'], () => list({ role: 'ADMIN' })))[0]).toContain('users_administrators');
    expect((await plansOf(server, ['users'], () => admin.get(`/admin/users/${seeded[5000]!.id}`)))[0]).toContain('users_newest_first');
  });
});
