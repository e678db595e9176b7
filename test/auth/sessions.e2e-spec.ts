import { createHmac } from 'node:crypto';
import { hash } from '@node-rs/argon2';
import { administrator, changeStanding, createKey, createTenant, PASSWORD, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

interface Tokens {
  access_token: string;
  refresh_token: string;
}

const anonymised = ({ status, body }: { status: number; body: object }): object => ({ status, body: { ...body, request_id: '', instance: '' } });

describe('sessions', () => {
  let server: TestApp;
  /** A second server on the same database. */
  let beside: TestApp;
  let person: Tenant;

  beforeAll(async () => {
    server = await TestApp.start();
    beside = await server.beside();
  });
  beforeEach(async () => {
    person = await createTenant(server.anonymous);
  });
  afterAll(async () => {
    await beside.app.close();
    await server.stop();
  });

  const signIn = async (): Promise<Tokens> => (await server.anonymous.post<Tokens>('/auth/login', { email: person.email, password: PASSWORD })).body;
  const refresh = (token: unknown, at = server.anonymous) => at.post('/auth/refresh', { refresh_token: token });
  const isLive = async (token: string, at = server.anonymous): Promise<boolean> => {
    const { status } = await at.asUser(token).get('/auth/me');
    if (status !== 200 && status !== 401) throw new Error(`/auth/me answered ${status}`);
    return status === 200;
  };

  it('go on with a refresh token, which each works once and is followed by another', async () => {
    const first = await signIn();
    expect(first.refresh_token).toMatch(/^mr_[0-9A-Za-z]{38}$/);
    const second = await refresh(first.refresh_token, beside.anonymous);
    expect(second).toMatchObject({ status: 200, body: { token_type: 'bearer', expires_in: 900, user: { email: person.email } } });
    expect(second.body.refresh_token).not.toBe(first.refresh_token);
    const third = await refresh(second.body.refresh_token);
    expect(third.status).toBe(200);
    for (const { access_token } of [first, second.body, third.body]) expect(await isLive(access_token)).toBe(true);
  });

  it('end as a whole when an old refresh token comes back: its descendants and all access tokens with it', async () => {
    const first = await signIn();
    const second = await refresh(first.refresh_token);
    const third = await refresh(second.body.refresh_token);
    const elsewhere = await signIn();
    expect(await refresh(first.refresh_token, beside.anonymous)).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    for (const at of [server.anonymous, beside.anonymous]) {
      for (const { access_token } of [first, second.body, third.body]) expect(await isLive(access_token, at)).toBe(false);
      expect((await refresh(third.body.refresh_token, at)).status).toBe(401);
    }
    expect(await isLive(elsewhere.access_token)).toBe(true);
  });

  it('let one of many refreshes with the same token through, and then end: nobody can tell who the thief was', async () => {
    const { refresh_token } = await signIn();
    const answers = await Promise.all(Array.from({ length: 10 }, (_, at) => refresh(refresh_token, at % 2 ? server.anonymous : beside.anonymous)));
    const passed = answers.filter(({ status }) => status === 200);
    expect(passed).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(9);
    expect(await isLive(passed[0]!.body.access_token as string)).toBe(false);
    expect((await refresh(passed[0]!.body.refresh_token)).status).toBe(401);
  });

  it('refuse every bad refresh token with one answer, and an access token among them', async () => {
    const { access_token, refresh_token } = await signIn();
    const expected = anonymised(await refresh(`mr_${'0'.repeat(38)}`));
    expect(expected).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    const key = await createKey(person.client, ['read']);
    const flipped = `${refresh_token.slice(0, -1)}${refresh_token.endsWith('0') ? '1' : '0'}`;
    for (const bad of ['', 'x', access_token, key.secret, flipped, `${refresh_token} `]) expect(anonymised(await refresh(bad))).toEqual(expected);
    expect((await refresh(undefined)).status).toBe(400);
    expect((await refresh([refresh_token])).status).toBe(400);
    expect((await server.anonymous.asUser(refresh_token).get('/auth/me')).status).toBe(401);
    expect((await refresh(refresh_token)).status).toBe(200);
    await server.database.query(`UPDATE refresh_tokens SET expires_at = now() - interval '1 second' WHERE tenant_id = $1`, [person.tenantId]);
    expect(anonymised(await refresh(refresh_token))).toEqual(expected);
  });

  it('keep no refresh token readable: the database has its hash only', async () => {
    const { refresh_token } = await signIn();
    const rows = await server.database.query<{ row: string }>(`SELECT r::text AS row FROM refresh_tokens r WHERE tenant_id = $1`, [person.tenantId]);
    expect(rows.length).toBeGreaterThan(0);
    for (const { row } of rows) for (const needle of [refresh_token.slice(3, 35), Buffer.from(refresh_token).toString('hex')]) expect(row).not.toContain(needle);
  });

  it('end one at a time by signing out, or all at once, on every server', async () => {
    const [one, other, third] = [await signIn(), await signIn(), await signIn()];
    for (const { access_token } of [one, other, third]) expect(await isLive(access_token, beside.anonymous)).toBe(true);
    expect(await server.anonymous.asUser(one.access_token).post('/auth/logout')).toMatchObject({ status: 204, body: '' });
    for (const at of [server.anonymous, beside.anonymous]) expect([await isLive(one.access_token, at), await isLive(other.access_token, at)]).toEqual([false, true]);
    expect((await refresh(one.refresh_token)).status).toBe(401);
    expect((await beside.anonymous.asUser(other.access_token).post('/auth/logout', { everywhere: true })).status).toBe(204);
    for (const at of [server.anonymous, beside.anonymous]) for (const { access_token } of [other, third, { access_token: person.token }]) expect(await isLive(access_token, at)).toBe(false);
    expect((await refresh(third.refresh_token)).status).toBe(401);
    const key = await createKey(server.anonymous.asUser((await signIn()).access_token), ['admin']);
    expect(await key.client.post('/auth/logout', { everywhere: true })).toMatchObject({ status: 403, body: { code: 'session_required' } });
  });

  it('end with a new password, but for the one that set it', async () => {
    const [here, there] = [await signIn(), await signIn()];
    expect(await isLive(there.access_token, beside.anonymous)).toBe(true);
    const client = server.anonymous.asUser(here.access_token);
    expect((await client.post('/auth/change-password', { current_password: PASSWORD, new_password: 'a-wholly-new-password' })).status).toBe(204);
    expect([await isLive(here.access_token, beside.anonymous), await isLive(there.access_token, beside.anonymous)]).toEqual([true, false]);
    expect((await refresh(there.refresh_token)).status).toBe(401);
    expect((await refresh(here.refresh_token)).status).toBe(200);
  });

  it.each([{ role: 'VIEWER' }, { is_active: false }])('end when the administrator decides %j, and not for what changes nothing', async (change) => {
    const admin = await administrator(server);
    const { access_token, refresh_token } = await signIn();
    await changeStanding(admin, person.userId, { role: 'USER', is_active: true });
    expect(await isLive(access_token, beside.anonymous)).toBe(true);
    await changeStanding(admin, person.userId, change);
    for (const at of [server.anonymous, beside.anonymous]) expect(await isLive(access_token, at)).toBe(false);
    expect((await refresh(refresh_token)).status).toBe(401);
    const again = await server.anonymous.post('/auth/login', { email: person.email, password: PASSWORD });
    expect(again.status).toBe(change.is_active === false ? 401 : 200);
  });

  it('never leave the installation without an administrator, even when two dismiss each other at once', async () => {
    const first = await administrator(server);
    const { body: own } = await first.get('/auth/me');
    expect(await first.patch(`/admin/users/${own.id}`, { role: 'USER' })).toMatchObject({ status: 409, body: { code: 'last_administrator' } });
    expect(await first.patch(`/admin/users/${own.id}`, { is_active: false })).toMatchObject({ status: 409, body: { code: 'last_administrator' } });
    await changeStanding(first, person.userId, { role: 'ADMIN' });
    const second = server.anonymous.asUser((await signIn()).access_token);
    const answers = await Promise.all([first.patch(`/admin/users/${person.userId}`, { role: 'USER' }), second.patch(`/admin/users/${own.id}`, { role: 'USER' })]);
    const left = await server.database.query<{ id: string }>(`SELECT id FROM users WHERE role = 'ADMIN' AND is_active`);
    expect(left).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    await server.database.query(`UPDATE users SET role = CASE id WHEN $1 THEN 'ADMIN' ELSE 'USER' END`, [own.id]);
  });

  it('let one of two changes of the password through that begin at once', async () => {
    const [one, two] = [await signIn(), await signIn()];
    const change = ({ access_token }: Tokens, password: string) => server.anonymous.asUser(access_token).post('/auth/change-password', { current_password: PASSWORD, new_password: password });
    const answers = await Promise.all([change(one, 'the-first-new-password'), change(two, 'the-second-new-password')]);
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    const [winner, password] = answers[0].status === 204 ? [one, 'the-first-new-password'] : [two, 'the-second-new-password'];
    expect(await isLive(winner.access_token)).toBe(true);
    expect((await server.anonymous.post('/auth/login', { email: person.email, password })).status).toBe(200);
  });

  it('hash a password anew when it was hashed with weaker parameters than today’s', async () => {
    const weak = await hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
    await server.database.query('UPDATE users SET password_hash = $2 WHERE id = $1', [person.userId, weak]);
    const together = await Promise.all(Array.from({ length: 4 }, () => server.anonymous.post('/auth/login', { email: person.email, password: PASSWORD })));
    expect(together.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const [{ password_hash }] = (await server.database.query<{ password_hash: string }>('SELECT password_hash FROM users WHERE id = $1', [person.userId])) as [{ password_hash: string }];
    expect(password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect((await signIn()).access_token).toBeTruthy();
  });

  it('survive a change of the signing secret, as long as the old one is still named', async () => {
    const [old, renewed] = ['an-old-secret-of-more-than-32-characters', 'a-new-secret-of-more-than-32-characters!'];
    const before = await server.beside({ JWT_SECRET: old });
    const { body } = await before.anonymous.post<Tokens>('/auth/login', { email: person.email, password: PASSWORD });
    const [during, after] = await Promise.all([server.beside({ JWT_SECRET: renewed, JWT_SECRET_PREVIOUS: old }), server.beside({ JWT_SECRET: renewed })]);
    try {
      expect([await isLive(body.access_token, during.anonymous), await isLive(body.access_token, after.anonymous)]).toEqual([true, false]);
      const { body: fresh } = await refresh(body.refresh_token, during.anonymous);
      expect([await isLive(fresh.access_token as string, during.anonymous), await isLive(fresh.access_token as string, after.anonymous), await isLive(fresh.access_token as string, before.anonymous)]).toEqual([true, true, false]);
      // The old secret under the new one's name, and the reverse: the name decides, and then the signature has to fit.
      const [head, claims] = body.access_token.split('.') as [string, string, string];
      const renamed = (fresh.access_token as string).split('.')[0]!;
      const forged = (header: string, secret: string): string => `${header}.${claims}.${createHmac('sha256', secret).update(`${header}.${claims}`).digest('base64url')}`;
      expect(await isLive(forged(head, old), during.anonymous)).toBe(true);
      for (const bad of [forged(renamed, old), forged(head, renewed), forged(Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url'), renewed)]) expect(await isLive(bad, during.anonymous)).toBe(false);
    } finally {
      await Promise.all([before, during, after].map(({ app }) => app.close()));
    }
  });
});
