import { Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Redis, type Result } from 'ioredis';
import type { Counter } from 'prom-client';
import { errorCode, errorMessage } from '../common/error-code.js';
import { TimedOut, within } from '../common/within.js';
import type { Metrics } from '../metrics/metrics.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { COUNT_CALL } from './count-call.lua.js';
import { judgeTogether, RateLimits, WINDOW_MS, type Limit, type Verdict } from './rate-limits.js';
import { advance, usedIn, type Cells } from './sliding-window.js';

/** A reply that takes longer is not waited for. */
const REPLY_MS = 250;
/** A start does not wait longer for the first connection. */
const CONNECT_MS = 1000;
/** Between two tries while Redis is away. */
const REST_MS = 1000;

type CellsOnWire = [cell: number, current: number, previous: number];

declare module 'ioredis' {
  interface RedisCommander<Context> {
    countCall(numberOfKeys: number, ...keysAndArguments: (string | number)[]): Result<[nowMs: number, ...CellsOnWire[]], Context>;
  }
}

/** The braces keep all windows of a tenant in one slot of a Redis Cluster, where one script can reach them. */
const windowKey = (tenantId: string, subject: string): string => `morag:calls:{${tenantId}}:${subject}`;

/**
 * Windows that all processes share, in Redis 5 or newer: exact over any number of them, at the price of one round trip a call.
 * While Redis is away every call passes unchecked, and none waits for it but those that were under way when it went.
 */
export class RedisRateLimits extends RateLimits implements OnModuleInit, OnApplicationShutdown {
  readonly isShared = true;
  private readonly logger = new Logger(RedisRateLimits.name);
  private readonly redis: Redis;
  private readonly unchecked: Counter;
  private readonly breaker = new CircuitBreaker(REST_MS, {
    opened: (error) => this.logger.warn({ reason: errorMessage(error) || errorCode(error) }, 'Redis is away: calls pass without a rate limit'),
    closed: () => this.logger.log('Redis is back: rate limits hold again'),
  });

  /** @param url `redis://` or `rediss://`, with user, password and database number as they are needed */
  constructor(url: string, metrics: Metrics) {
    super();
    this.unchecked = metrics.counter('morag_rate_limit_unchecked_total', 'Calls let through without a rate limit because Redis was away');
    this.redis = new Redis(url, {
      lazyConnect: true,
      connectTimeout: CONNECT_MS,
      retryStrategy: (attempt) => Math.min(attempt * 50, REST_MS),
      // A call is answered now or passes: nothing is kept to be sent, or sent again, on the next connection.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      scripts: { countCall: { lua: COUNT_CALL } },
    });
    this.redis.on('error', (error) => this.breaker.fail(error));
    this.redis.on('ready', () => this.breaker.succeed());
  }

  async onModuleInit(): Promise<void> {
    try {
      await within(CONNECT_MS, this.redis.connect());
    } catch (error) {
      this.breaker.fail(error);
    }
  }

  /** At once, whether or not Redis still answers. */
  onApplicationShutdown(): void {
    this.redis.disconnect();
  }

  async consume(tenantId: string, limits: readonly Limit[]): Promise<Verdict[]> {
    if (limits.length === 0) return [];
    if (!this.breaker.isOpen) {
      const verdicts = await this.orNothing(this.count(tenantId, limits));
      if (verdicts) return verdicts;
    } else if (this.breaker.mayTry()) {
      void this.tryAgain(tenantId, limits);
    }
    this.unchecked.inc();
    return [];
  }

  async used(tenantId: string, subject: string): Promise<number | null> {
    if (this.breaker.isOpen) return null;
    return (await this.orNothing(this.read(tenantId, subject))) ?? null;
  }

  async ping(): Promise<void> {
    await within(REPLY_MS, this.redis.ping());
  }

  /** Fails open. */
  private async orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
    try {
      return await answer;
    } catch (error) {
      this.breaker.fail(error);
      return undefined;
    }
  }

  /** With a call that has passed already, so that nobody waits to find out. */
  private async tryAgain(tenantId: string, limits: readonly Limit[]): Promise<void> {
    try {
      await this.count(tenantId, limits);
      this.breaker.succeed();
    } catch (error) {
      this.logger.debug({ reason: errorMessage(error) }, 'Redis is still away');
      // Behind a connection that only seems to be one, to a machine that is gone, TCP itself would wait for a quarter of an hour.
      if (error instanceof TimedOut) this.redis.disconnect(true);
    }
  }

  private async count(tenantId: string, limits: readonly Limit[]): Promise<Verdict[]> {
    const keys = limits.map(({ subject }) => windowKey(tenantId, subject));
    const [nowMs, ...windows] = await within(REPLY_MS, this.redis.countCall(keys.length, ...keys, WINDOW_MS, ...limits.map(({ perHour }) => perHour)));
    return judgeTogether(limits, windows.map(([cell, current, previous]): Cells => ({ cell, current, previous })), nowMs);
  }

  private async read(tenantId: string, subject: string): Promise<number> {
    const [[seconds, microseconds], fields] = await within(REPLY_MS, Promise.all([this.redis.time(), this.redis.hmget(windowKey(tenantId, subject), 'cell', 'current', 'previous')]));
    const nowMs = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
    const [cell = 0, current = 0, previous = 0] = fields.map(Number);
    return usedIn(advance({ cell, current, previous }, nowMs, WINDOW_MS), nowMs, WINDOW_MS);
  }
}
