import { audit } from '../chaos/invariants.js';
import type { Sent } from '../chaos/world.js';
import { EventStream } from '../support/event-stream.js';
import { createKey, eventually, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { untilAnswered } from '../support/insisting.js';
import { usedBy } from '../support/quotas.js';
import { describeWithRedis } from '../support/redis-server.js';
import { Endpoint, register } from '../support/webhook-receiver.js';
import { Crowd } from './crowd.js';
import { TwoPairs } from './two-pairs.js';

/** Of one worker, and how many of them one tenant may have. */
const [JOBS_AT_ONCE, OF_ONE_TENANT] = [4, 3];
/** Connections of a process: DATABASE_POOL, and what the queue and notifications need. */
const POOL = 10;
const BESIDE_POOL = { api: 3, worker: 7 };
const ROUTE = '/api/v1/databases';

describeWithRedis('two API processes and two workers on one PostgreSQL and one Redis', () => {
  let pairs: TwoPairs;
  let crowd: Crowd;
  let endpoint: Endpoint;
  /** What both workers were at when one of them was killed, and what followed it at the API process that had not accepted it. */
  let interrupted: Sent[];
  let streams: EventStream[];

  beforeAll(async () => {
    pairs = await TwoPairs.start();
    endpoint = new Endpoint(pairs.site.url('/hook'), pairs.site, '/hook');
    crowd = new Crowd(pairs, await pairs.newTenant());
    await staysWithinTheHour(90_000);
  }, 180_000);
  afterAll(() => pairs.stop());

  const watch = ({ tenant, jobId }: Sent, at: number): Promise<EventStream> => EventStream.open(`${pairs.apis[at]!.url}/api/v1/jobs/${jobId}/events`, { authorization: `Bearer ${tenant.token}` });
  const underWay = async ({ tenantId }: Tenant): Promise<number> =>
    (await pairs.query<{ n: number }>(`SELECT count(*)::int AS n FROM jobs WHERE tenant_id = $1 AND stage = 'embedding'`, [tenantId]))[0]!.n;

  it("work together at one tenant's documents, and each API process tells of what the other accepted", async () => {
    const [one, other] = [await pairs.newTenant(), await pairs.newTenant()];
    for (const { client } of [one, other]) await register(client, endpoint, ['document.ingested']);
    const { embeddings } = pairs;
    const asked = embeddings.requests;
    embeddings.hold();
    interrupted = Array.from({ length: 2 * OF_ONE_TENANT }, () => pairs.compose(one));
    for (const [at, sent] of interrupted.entries()) await pairs.send(sent, { at: at % 2 });
    await eventually(() => underWay(one), (jobs) => jobs > OF_ONE_TENANT);
    for (const sent of Array.from({ length: 2 * OF_ONE_TENANT }, () => pairs.compose(other))) {
      await pairs.send(sent, { at: interrupted.push(sent) % 2 });
    }
    await embeddings.received(asked + 2 * JOBS_AT_ONCE);
    streams = await Promise.all(interrupted.map((sent, at) => watch(sent, (at + 1) % 2)));
    for (const [at, { jobId, tenant }] of interrupted.entries()) {
      const seen = await Promise.all(pairs.atBoth(tenant).map((client) => client.get(`/api/v1/jobs/${jobId}`)));
      expect([at, seen[0]!.body]).toEqual([at, seen[1]!.body]);
    }
  }, 60_000);

  it('hold no more connections than docs/operations.md says', async () => {
    const [row] = await pairs.query<{ n: number }>(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND usename = 'morag'`);
    expect(row!.n).toBeLessThanOrEqual(2 * (POOL + BESIDE_POOL.api) + 2 * (POOL + BESIDE_POOL.worker));
  });

  it('go on when one of the workers is killed in the middle', async () => {
    const { embeddings, workers } = pairs;
    await workers[0].end('SIGKILL');
    // Each of its jobs had asked for its vectors.
    await eventually(() => Promise.resolve(embeddings.abandoned), (calls) => calls === JOBS_AT_ONCE);
    embeddings.release();
  });

  it.each([
    ['one', 0],
    ['other', 1],
  ])('refuse a key, at both, from the moment that its revocation is answered by the %s, while both are busy with it', async (_, at) => {
    const tenant = await pairs.newTenant();
    const key = await createKey(tenant.client, ['read'], { rate_limit_per_hour: 10_000 });
    const calls: { at: number; begun: number; status: number }[] = [];
    let isOver = false;
    const users = Array.from({ length: 6 }, async (__, user) => {
      const [mine, client] = [user % 2, pairs.apis[user % 2]!.client.asApiKey(key.secret)];
      while (!isOver) {
        const begun = performance.now();
        calls.push({ at: mine, begun, status: (await client.get(ROUTE)).status });
      }
    });
    const atEach = (since: number) => [0, 1].map((which) => calls.filter((call) => call.at === which && call.begun > since).length);
    // Remembered by both by then, unless a process had no time to hear of changes.
    const hits = (which: number): Promise<number> => pairs.metric(which, 'morag_cache_lookups_total{cache="api_keys",outcome="hit"}');
    const before = await Promise.all([hits(0), hits(1)]);
    await eventually(() => Promise.all([hits(0), hits(1)]), (now) => now.every((count, which) => count > before[which]! + 20));
    expect((await pairs.atBoth(tenant)[at]!.delete(`/api/v1/api-keys/${key.id}`)).status).toBe(204);
    const answered = performance.now();
    await eventually(() => Promise.resolve(atEach(answered)), (counts) => counts.every((count) => count > 20));
    isOver = true;
    await Promise.all(users);
    expect(calls.filter(({ begun, status }) => begun > answered && status !== 401)).toEqual([]);
    expect(calls.filter(({ status }) => status !== 200 && status !== 401)).toEqual([]);
  });

  it('let exactly as many documents in as a quota has room for, of three times as many at once', async () => {
    const tenant = await pairs.newTenant({ documents: 12 });
    const answers = await Promise.all(Array.from({ length: 36 }, () => pairs.compose(tenant)).map((sent) => untilAnswered(() => pairs.send(sent))));
    const statuses = answers.map(({ status, body }) => `${status} ${body.code ?? ''}`).toSorted();
    expect(statuses).toEqual([...Array<string>(12).fill('202 '), ...Array<string>(24).fill('429 quota_exceeded')]);
    expect(await usedBy(tenant.client)).toMatchObject({ documents: 12 });
  });

  it('let exactly as many calls of a key through as its limit, and count each once', async () => {
    const tenant = await pairs.newTenant();
    const unchecked = (): Promise<number[]> => Promise.all([0, 1].map((at) => pairs.metric(at, 'morag_rate_limit_unchecked_total')));
    for (;;) {
      const key = await createKey(tenant.client, ['read'], { rate_limit_per_hour: 25 });
      const before = await unchecked();
      const answers = await Promise.all(Array.from({ length: 75 }, (_, at) => pairs.apis[at % 2]!.client.asApiKey(key.secret).get(ROUTE)));
      // What Redis had no time to answer passes, as is promised, too: then once more.
      if (String(await unchecked()) !== String(before)) continue;
      expect([200, 429].map((status) => answers.filter((answer) => answer.status === status).length)).toEqual([25, 50]);
      const used = await eventually(() => tenant.client.get(`/api/v1/api-keys/${key.id}`), ({ body }) => body.usage_count === 75);
      expect(used.status).toBe(200);
      return;
    }
  });

  it('take in once what is sent to both at once under one Idempotency-Key, and give both senders the same answer', async () => {
    const tenant = await pairs.newTenant();
    const sent = Array.from({ length: 4 }, () => pairs.compose(tenant));
    const sendToBoth = async (): Promise<string[][]> =>
      Promise.all(
        sent.map(async (one) => {
          const answers = await Promise.all(Array.from({ length: 6 }, (_, at) => pairs.send(one, { at: at % 2, headers: { 'idempotency-key': `"${one.word}"` } })));
          for (const { status, body } of answers) expect([202, 'idempotency_key_in_flight']).toContain(status === 409 ? body.code : status);
          return answers.filter(({ status }) => status === 202).map(({ body }) => body.document_id as string);
        }),
      );
    const first = await sendToBoth();
    expect(first.map((ids) => new Set(ids).size)).toEqual([1, 1, 1, 1]);
    expect(await sendToBoth()).toEqual(first.map((ids) => Array<string>(6).fill(ids[0]!)));
    expect(await usedBy(tenant.client)).toMatchObject({ documents: 4 });
  });

  it('finish what the killed worker had begun, tell of each job to its end, and of each document one endpoint, once', async () => {
    const told = await Promise.all(streams.map((stream) => stream.rest()));
    for (const [at, events] of told.entries()) {
      expect(events.map(({ id }) => id)).toEqual(events.map((_, place) => events[0]!.id + place));
      expect(events.at(-1)).toMatchObject({ name: 'end', job: { id: interrupted[at]!.jobId, status: 'FINISHED' } });
    }
    const deliveries = await endpoint.got(interrupted.length);
    const [delivered, ingested] = [deliveries.map(({ message }) => message.data['id'] as string), interrupted.map(({ documentId }) => documentId!)];
    expect(delivered.toSorted()).toEqual(ingested.toSorted());
    expect(new Set(endpoint.ids).size).toBe(interrupted.length);
  }, 90_000);

  it('have lost, doubled and forgotten nothing', async () => {
    const answers = await crowd.goHome();
    expect(Object.keys(answers).toSorted()).toEqual(['find 200', 'look 200', 'read 200', 'send 202']);
    await pairs.settled();
    const attempts = await pairs.query('SELECT attempt, count(*)::int AS jobs FROM jobs GROUP BY attempt ORDER BY attempt');
    const accepted = pairs.sent.filter(({ outcome }) => outcome === 'accepted').length;
    expect(attempts).toEqual([{ attempt: 1, jobs: accepted - JOBS_AT_ONCE }, { attempt: 2, jobs: JOBS_AT_ONCE }]);
    expect(await audit(pairs)).toEqual([]);
    // Nothing came a second time since.
    expect(endpoint.received).toHaveLength(interrupted.length);
  }, 90_000);
});
