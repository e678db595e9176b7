import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import { Metrics } from '../../src/metrics/metrics.js';
import { MemoryRateLimits } from '../../src/rate-limits/memory.rate-limits.js';
import { keySubject, tenantSubject, WINDOW_MS, type Limit, type RateLimits, type Verdict } from '../../src/rate-limits/rate-limits.js';
import { RedisRateLimits } from '../../src/rate-limits/redis.rate-limits.js';
import { staysWithinTheHour } from '../support/hour.js';
import { describeWithRedis, RedisServer } from '../support/redis-server.js';

const DATABASE = 3;

beforeAll(() => staysWithinTheHour(30_000), 60_000);

const limitsOf = (...perHour: number[]): Limit[] => perHour.map((limit, at) => ({ subject: keySubject(`${at}-${randomUUID()}`), perHour: limit }));
const allowed = (verdicts: readonly Verdict[]): boolean => verdicts.every((verdict) => verdict.allowed);

function keepsTheContract(open: () => RateLimits): void {
  const tenantId = randomUUID();
  const passed = async (limits: Limit[], calls: number): Promise<number> =>
    (await Promise.all(Array.from({ length: calls }, async () => allowed(await open().consume(tenantId, limits))))).filter(Boolean).length;

  it('lets exactly the limit through, however many calls come at once, and says what is left', async () => {
    const limits = limitsOf(20);
    expect(await open().consume(tenantId, limits)).toMatchObject([{ ...limits[0], allowed: true, remaining: 19, retryAfterSeconds: 0 }]);
    expect(await passed(limits, 50)).toBe(19);
    const [refusal] = await open().consume(tenantId, limits);
    expect(refusal).toMatchObject({ allowed: false, used: 20, remaining: 0 });
    expect(refusal!.retryAfterSeconds).toBeGreaterThanOrEqual(1);
    expect(await open().used(tenantId, limits[0]!.subject)).toBe(20);
  });

  it('counts a call that one limit refuses against none', async () => {
    const [wide, narrow] = limitsOf(10, 3) as [Limit, Limit];
    expect(await passed([wide, narrow], 9)).toBe(3);
    expect(await open().used(tenantId, wide.subject)).toBe(3);
    expect(await passed([wide], 9)).toBe(7);
    expect(await passed([narrow], 9)).toBe(0);
  });

  it('never shares a window between two subjects', async () => {
    const [one, other] = limitsOf(5, 5) as [Limit, Limit];
    expect(await passed([one], 9)).toBe(5);
    expect(await open().used(tenantId, other.subject)).toBe(0);
    expect(await passed([other], 9)).toBe(5);
  });

  it('has nothing to say where nothing is limited', async () => {
    expect(await open().consume(tenantId, [])).toEqual([]);
    expect(await open().used(tenantId, tenantSubject(tenantId))).toBe(0);
  });
}

describe('rate limits in memory', () => {
  const memory = new MemoryRateLimits();
  keepsTheContract(() => memory);
});

describeWithRedis('rate limits in Redis', () => {
  let server: RedisServer;
  let redis: RedisRateLimits;
  let metrics: Metrics;

  beforeAll(async () => {
    // Its warnings are what these tests provoke.
    Logger.overrideLogger(false);
    server = await RedisServer.start();
    metrics = new Metrics();
    redis = new RedisRateLimits(`${server.url}/${DATABASE}`, metrics);
    await redis.onModuleInit();
  });
  afterAll(async () => {
    redis.onApplicationShutdown();
    await server.stop();
  });

  const unchecked = async (): Promise<number> => Number(/^morag_rate_limit_unchecked_total (\d+)$/m.exec(await metrics.registry.metrics())![1]);

  keepsTheContract(() => redis);

  it('has none of these calls passed unchecked', async () => {
    expect(await unchecked()).toBe(0);
  });

  it('keeps the windows of a tenant in one slot of a cluster, in the database of the address, for two hours', async () => {
    const tenantId = randomUUID();
    await redis.consume(tenantId, [...limitsOf(5), { subject: tenantSubject(tenantId), perHour: 5 }]);
    await server.ask(async (connection) => {
      await connection.select(DATABASE);
      const keys = await connection.keys(`*${tenantId}*`);
      expect(keys).toHaveLength(2);
      for (const key of keys) {
        expect(key).toContain(`{${tenantId}}`);
        expect(Math.abs((await connection.pttl(key)) - 2 * WINDOW_MS)).toBeLessThan(10_000);
      }
    });
  });

  it('comes to the same verdicts as memory for the same calls', async () => {
    const subjects = ['a', 'b', 'c'];
    const histories = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 3, maxLength: 3 });
    const calls = fc.array(fc.record({ of: fc.subarray(subjects, { minLength: 1 }), perHour: fc.integer({ min: 0, max: 12 }) }), { minLength: 10, maxLength: 30 });
    // Both clocks go on during the run: none starts where its share of the calls before is about to drop below a whole number.
    const share = 1 - (Date.now() % WINDOW_MS) / WINDOW_MS;
    const isSteady = (before: number): boolean => before * share - Math.floor(before * share) > 0.1;
    await server.ask(async (connection) => {
      await connection.select(DATABASE);
      const remember = async (memory: MemoryRateLimits, tenantId: string, subject: string, before: number): Promise<void> => {
        const now = Date.now();
        for (let call = 0; call < before; call++) memory.consume(tenantId, [{ subject, perHour: before }], now - WINDOW_MS);
        await connection.hset(`morag:calls:{${tenantId}}:${subject}`, { cell: Math.floor(now / WINDOW_MS) - 1, current: before, previous: 7 });
      };
      await fc.assert(
        fc.asyncProperty(histories, calls, async (history, sequence) => {
          const memory = new MemoryRateLimits();
          const tenantId = randomUUID();
          for (const [at, before] of history.entries()) if (isSteady(before)) await remember(memory, tenantId, subjects[at]!, before);
          for (const { of, perHour } of sequence) {
            const limits = of.map((subject) => ({ subject, perHour }));
            const expected = memory.consume(tenantId, limits);
            const verdicts = await redis.consume(tenantId, limits);
            expect(verdicts).toHaveLength(limits.length);
            for (const [at, { retryAfterSeconds, resetSeconds, ...verdict }] of verdicts.entries()) {
              expect(expected[at]).toMatchObject(verdict);
              expect(Math.abs(retryAfterSeconds - expected[at]!.retryAfterSeconds)).toBeLessThanOrEqual(1);
              expect(Math.abs(resetSeconds - expected[at]!.resetSeconds)).toBeLessThanOrEqual(1);
            }
          }
          for (const subject of subjects) expect(await redis.used(tenantId, subject)).toBe(memory.used(tenantId, subject));
        }),
        { seed: 20_261_124, numRuns: 40 },
      );
    });
  });

  it('lets a call pass, and counts that, when Redis answers with an error', async () => {
    const tenantId = randomUUID();
    const limits = limitsOf(1);
    await server.ask(async (connection) => {
      await connection.select(DATABASE);
      await connection.set(`morag:calls:{${tenantId}}:${limits[0]!.subject}`, 'not a window');
    });
    const before = await unchecked();
    expect(await redis.consume(tenantId, limits)).toEqual([]);
    expect(await redis.consume(tenantId, limits)).toEqual([]);
    expect(await redis.used(tenantId, limits[0]!.subject)).toBeNull();
    expect(await unchecked()).toBe(before + 2);
  });
});
