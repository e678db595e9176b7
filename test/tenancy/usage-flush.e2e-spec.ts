import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ApiKeysRepository } from '../../src/api-keys/api-keys.repository.js';
import { EmbeddingUsage } from '../../src/embeddings/embedding-usage.js';
import { runtimeOptions } from '../../src/persistence/data-source.js';
import { Transactions } from '../../src/persistence/transactions.js';
import type { Call, Caller } from '../../src/tenancy/usage-batch.js';
import { UsageRepository } from '../../src/tenancy/usage.repository.js';
import { UsageService } from '../../src/tenancy/usage.service.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { createKey, createTenant, type Tenant } from '../support/factories.js';
import { staysWithinTheHour } from '../support/hour.js';
import { TestApp } from '../support/test-app.js';

const CALL: Call = { route: 'GET /somewhere', status: 200, durationMs: 12, bytesIn: 3, bytesOut: 5 };

/** Counts as a process of its own does, through a connection of its own. */
interface Counter {
  usage: UsageService;
  embeddings: EmbeddingUsage;
  close(): Promise<void>;
}

describe('the flush of usage', () => {
  let server: TestApp;
  let tenant: Tenant;
  let proxy: DatabaseProxy;
  let counters: Counter[];
  let caller: Caller;

  beforeAll(async () => {
    Logger.overrideLogger(false);
    server = await TestApp.start();
    tenant = await createTenant(server.anonymous);
  });
  afterAll(() => server.stop());

  beforeEach(async () => {
    proxy = await DatabaseProxy.before(server.database.url);
    counters = [];
    caller = { tenantId: tenant.tenantId, apiKeyId: (await createKey(tenant.client, ['read'])).id };
  });
  afterEach(async () => {
    for (const counter of counters) await counter.close();
    await proxy.close();
  });

  async function openCounter(): Promise<UsageService> {
    const dataSource = await new DataSource(runtimeOptions(proxy.url, 2)).initialize();
    const embeddings = new EmbeddingUsage();
    const usage = new UsageService(new Transactions(dataSource), new UsageRepository(), embeddings);
    const keys = new ApiKeysRepository();
    usage.onKeyUse((tx, uses) => keys.addUse(tx, uses));
    counters.push({ usage, embeddings, close: () => dataSource.destroy() });
    return usage;
  }

  function count(usage: UsageService, times: number, call: Partial<Call> = {}): void {
    for (let at = 0; at < times; at++) usage.count(caller, { ...CALL, ...call });
  }

  async function counted(): Promise<unknown> {
    const [row] = await server.database.query(
      `SELECT sum(requests)::int AS requests, sum(bytes_in)::int AS "bytesIn", (SELECT sum(n)::int FROM unnest(sum_histograms(latency)) n) AS timed,
              (SELECT usage_count::int FROM api_keys WHERE id = $1) AS "usageCount" FROM usage_hourly WHERE api_key_id = $1`,
      [caller.apiKeyId],
    );
    return row;
  }

  const exactly = (requests: number): object => ({ requests, bytesIn: 3 * requests, timed: requests, usageCount: requests });

  it('does not count a batch twice whose COMMIT was carried out and never answered', async () => {
    const usage = await openCounter();
    count(usage, 10);
    proxy.loseAnswersToCommit(1);
    await usage.flush();
    expect(proxy.lostAnswers).toBe(1);
    expect(await counted()).toEqual(exactly(10));
    count(usage, 5);
    await usage.flush();
    expect(await counted()).toEqual(exactly(15));
  });

  it('stays exact when every other answer is lost, the first one of the process too', async () => {
    const usage = await openCounter();
    for (let round = 0; round < 10; round++) {
      count(usage, 7, { status: 200 + 100 * (round % 4) });
      proxy.loseAnswersToCommit(round % 2 === 0 ? 2 : 0);
      await usage.flush();
    }
    await usage.flush();
    expect(proxy.lostAnswers).toBeGreaterThanOrEqual(5);
    expect(await counted()).toEqual(exactly(70));
  });

  it('keeps what it counted while the database is away, and grows with what differs and not with the calls', async () => {
    await staysWithinTheHour(10_000);
    const usage = await openCounter();
    count(usage, 10);
    proxy.goAway();
    await usage.flush();
    for (let round = 0; round < 3; round++) {
      count(usage, 20_000);
      await usage.flush();
    }
    expect(usage['unwritten']?.rows).toHaveLength(1);
    expect(usage['current'].rows).toHaveLength(1);
    proxy.comeBack();
    await usage.flush();
    expect(await counted()).toEqual(exactly(60_010));
  });

  it('counts what is embedded exactly as well, when answers are lost and when processes write at once', async () => {
    for (let process = 0; process < 3; process++) await openCounter();
    for (let round = 0; round < 6; round++) {
      for (const { embeddings } of counters) embeddings.note(tenant.tenantId, { texts: 2, tokens: 35 });
      proxy.loseAnswersToCommit(round % 2);
      await Promise.all(counters.map(({ usage }) => usage.flush()));
    }
    await Promise.all(counters.map(({ usage }) => usage.flush()));
    expect(proxy.lostAnswers).toBe(3);
    const sums = await server.database.query('SELECT sum(texts)::int AS texts, sum(tokens)::int AS tokens FROM embedding_usage WHERE tenant_id = $1', [tenant.tenantId]);
    expect(sums).toEqual([{ texts: 3 * 6 * 2, tokens: 3 * 6 * 35 }]);
  });

  it('tries again at shutdown when the database is away for a moment', async () => {
    const usage = await openCounter();
    count(usage, 10);
    proxy.goAway();
    const stopped = usage.onApplicationShutdown();
    await delay(300);
    proxy.comeBack();
    await stopped;
    expect(await counted()).toEqual(exactly(10));
  });

  it('loses nothing when four processes write the same rows at once', async () => {
    const usages = await Promise.all(Array.from({ length: 4 }, openCounter));
    for (let round = 0; round < 15; round++) {
      await Promise.all(
        usages.map((usage, at) => {
          for (const route of ['a', 'b', 'c', 'd'].slice(at).concat(['a', 'b', 'c', 'd'].slice(0, at))) count(usage, 1, { route });
          return usage.flush();
        }),
      );
    }
    expect(await counted()).toEqual(exactly(240));
  });

  it('tells when a key was last used, without a request', async () => {
    const usage = await openCounter();
    const usedAt = new Date('2026-11-24T10:20:30.456Z');
    usage.touch(caller, usedAt);
    await usage.flush();
    expect((await tenant.client.get(`/api/v1/api-keys/${caller.apiKeyId}`)).body).toMatchObject({ usage_count: 0, last_used: usedAt.toISOString() });
    usage.touch({ tenantId: tenant.tenantId, apiKeyId: null });
    expect(usage['current'].isEmpty).toBe(true);
  });

  it('does not mind a clock that is set back across an hour', async () => {
    const usage = await openCounter();
    for (const time of ['10:59:59', '11:00:00', '10:59:58', '11:00:01']) usage.count(caller, CALL, new Date(`2026-11-24T${time}Z`));
    await usage.flush();
    expect(await server.database.query(`SELECT extract(hour FROM hour AT TIME ZONE 'UTC')::int AS hour, requests::int FROM usage_hourly WHERE api_key_id = $1 ORDER BY 1`, [caller.apiKeyId])).toEqual([
      { hour: 10, requests: 2 },
      { hour: 11, requests: 2 },
    ]);
  });
});
