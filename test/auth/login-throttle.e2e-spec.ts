import { createTenant, eventually, forgetFailedSignIns, PASSWORD, type Tenant } from '../support/factories.js';
import { TestApp } from '../support/test-app.js';

const WRONG = 'not-the-password';

/** Trusted to say whose request it forwards; the tests are the proxy. */
const BEHIND_PROXY = { TRUSTED_PROXIES: '127.0.0.1' };
const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

describe('guessing passwords', () => {
  let server: TestApp;
  let beside: TestApp;
  let person: Tenant;

  beforeAll(async () => {
    server = await TestApp.start(BEHIND_PROXY);
    beside = await server.beside(BEHIND_PROXY);
  });
  beforeEach(async () => {
    await forgetFailedSignIns(server);
    person = await createTenant(server.anonymous);
  });
  afterAll(async () => {
    await beside.app.close();
    await server.stop();
  });

  const tryIn = (password: string, headers: Record<string, string> = {}, at = server.anonymous, email = person.email) => at.post('/auth/login', { email, password }, headers);
  /** Lets the tries of the subject lie further back. */
  const age = (seconds: number) =>
    server.database.query(
      `UPDATE login_attempts SET tried_at = ARRAY(SELECT t - make_interval(secs => $1) FROM unnest(tried_at) t),
              failed_at = ARRAY(SELECT t - make_interval(secs => $1) FROM unnest(failed_at) t), last_tried_at = last_tried_at - make_interval(secs => $1)`,
      [seconds],
    );

  /** As if the last failure of each subject had been this very moment: a pause lasts from when a try begins, and on a busy machine one takes a while. */
  const asIfJustNow = () =>
    server.database.query(
      `UPDATE login_attempts a SET tried_at = ARRAY(SELECT t + late FROM unnest(a.tried_at) t), failed_at = ARRAY(SELECT t + late FROM unnest(a.failed_at) t), last_tried_at = a.last_tried_at + late
         FROM (SELECT subject, clock_timestamp() - (SELECT max(t) FROM unnest(failed_at) t) AS late FROM login_attempts) last WHERE last.subject = a.subject AND late IS NOT NULL`,
    );

  it('gets ten tries in fifteen minutes at an account, the later ones with growing pauses, from wherever and at whichever server', async () => {
    const pauses: number[] = [];
    let tried = 0;
    for (let at = 0; tried < 10; at++) {
      const answer = await tryIn(WRONG, from(`198.51.100.${at}`), at % 2 ? server.anonymous : beside.anonymous);
      if (answer.status === 401) {
        tried += 1;
        await asIfJustNow();
      } else {
        expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited', retryable: true } });
        pauses.push(Number(answer.headers.get('retry-after')));
        await age(pauses.at(-1)!);
      }
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16]);
    // The right password is not looked at either.
    const refused = await tryIn(PASSWORD, from('203.0.113.9'));
    expect(refused.status).toBe(429);
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(800);
    expect(wait).toBeLessThanOrEqual(900);
    // Whoever is signed in notices nothing.
    expect((await person.client.get('/auth/me')).status).toBe(200);
    // And it ends by itself.
    await age(wait);
    expect((await tryIn(PASSWORD, from('203.0.113.9'))).status).toBe(200);
  });

  it('gets no more by trying fifty times at once over two servers', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => tryIn(WRONG, from(`198.51.100.${at}`), at % 2 ? server.anonymous : beside.anonymous)));
    const tried = answers.filter(({ status }) => status === 401).length;
    expect(tried).toBeGreaterThan(0);
    // Those under way at the fifth failure are let finish; whoever waits longer than the pause may try again meanwhile.
    expect(tried).toBeLessThanOrEqual(10);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(50 - tried);
  });

  it('is counted alike for an account that does not exist', async () => {
    const nobody = 'nobody@example.com';
    const statuses: number[] = [];
    for (let at = 0; at < 6; at++) {
      statuses.push((await tryIn(WRONG, from(`198.51.100.${at}`), server.anonymous, nobody)).status);
      await asIfJustNow();
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
    expect((await tryIn(WRONG, from('198.51.100.77'), server.anonymous, ` ${nobody.toUpperCase()}`.trim())).status).toBe(429);
  });

  it('is stopped at its source, however many accounts it tries, and neither another source nor a forged one is held for it', async () => {
    const spray = async (headers: Record<string, string>, at = server.anonymous) => (await tryIn(WRONG, headers, at, `${Math.random()}@example.com`)).status;
    for (let at = 0; at < 5; at++) expect(await spray(from('198.51.100.7'), at % 2 ? server.anonymous : beside.anonymous)).toBe(401);
    await asIfJustNow();
    expect(await spray(from('198.51.100.7'))).toBe(429);
    await asIfJustNow();
    // What the client itself puts before the proxy's word does not count.
    expect(await spray(from('203.0.113.50, 198.51.100.7'))).toBe(429);
    expect(await spray(from('203.0.113.50'))).toBe(401);
    // Whoever has one IPv6 address has all of its network.
    for (let at = 0; at < 5; at++) expect(await spray(from(`2001:db8:1:2::${at + 1}`))).toBe(401);
    await asIfJustNow();
    expect(await spray(from('2001:db8:1:2:ffff::9'))).toBe(429);
    expect(await spray(from('2001:db8:1:3::1'))).toBe(401);
  });

  it('cannot hide behind a header where no proxy is trusted', async () => {
    const exposed = await server.beside();
    try {
      const statuses: number[] = [];
      for (let at = 0; at < 6; at++) {
        statuses.push((await tryIn(WRONG, from(`198.51.100.${at}`), exposed.anonymous, `${at}@example.com`)).status);
        await asIfJustNow();
      }
      expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
    } finally {
      await exposed.app.close();
    }
  });

  it('does not count what succeeds: forty at once with the right password all sign in', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, at) => tryIn(PASSWORD, {}, at % 2 ? server.anonymous : beside.anonymous)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 40 }, () => 200));
  });

  it('is not made easier by signing in oneself in between', async () => {
    const accomplice = await createTenant(server.anonymous);
    for (let at = 0; at < 5; at++) {
      expect((await tryIn(WRONG, from('198.51.100.7'), server.anonymous, `${at}@example.com`)).status).toBe(401);
      expect((await tryIn(PASSWORD, from(`203.0.113.${at}`), server.anonymous, accomplice.email)).status).toBe(200);
    }
    await asIfJustNow();
    expect((await tryIn(PASSWORD, from('198.51.100.7'), server.anonymous, accomplice.email)).status).toBe(429);
  });

  it('is throttled at the old password of a session, too', async () => {
    const change = () => person.client.post('/auth/change-password', { current_password: WRONG, new_password: 'a-wholly-new-password' });
    const statuses: number[] = [];
    for (let at = 0; at < 6; at++) {
      statuses.push((await change()).status);
      await asIfJustNow();
    }
    expect(statuses).toEqual([403, 403, 403, 403, 403, 429]);
  });

  it('leaves no row behind for long', async () => {
    for (let at = 0; at < 3; at++) await tryIn(WRONG, from(`198.51.100.${at}`), server.anonymous, `${at}@example.com`);
    await age(901);
    expect((await tryIn(PASSWORD)).status).toBe(200);
    const left = await eventually(() => server.database.query<{ subject: string }>('SELECT subject FROM login_attempts'), (rows) => rows.length <= 2);
    for (const { subject } of left) expect(subject).not.toContain('@');
  });

  it('takes as long for a person who does not exist as for a wrong password', async () => {
    const time = async (email: string): Promise<number> => {
      await forgetFailedSignIns(server);
      const begun = performance.now();
      expect((await tryIn(WRONG, {}, server.anonymous, email)).status).toBe(401);
      return performance.now() - begun;
    };
    const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
    const known: number[] = [];
    const unknown: number[] = [];
    for (let at = 0; at < 15; at++) {
      known.push(await time(person.email));
      unknown.push(await time(`${at}@example.com`));
    }
    // A hash takes several milliseconds, so leaving it out would halve the time at least.
    expect(median(unknown) / median(known)).toBeGreaterThan(0.5);
    expect(median(known) / median(unknown)).toBeGreaterThan(0.5);
  });
});
