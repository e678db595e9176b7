import { Global, Module } from '@nestjs/common';
import { Config } from '../config/config.js';
import { HealthChecks } from '../metrics/health-checks.js';
import { Metrics } from '../metrics/metrics.js';
import { MemoryRateLimits } from './memory.rate-limits.js';
import { RateLimits } from './rate-limits.js';
import { TenantHours } from './tenant-hours.js';

async function fromEnvironment({ env }: Config, metrics: Metrics): Promise<RateLimits> {
  if (env.REDIS_URL === undefined) return new MemoryRateLimits();
  // Loaded only where it is used.
  const { RedisRateLimits } = await import('./redis.rate-limits.js');
  return new RedisRateLimits(env.REDIS_URL, metrics);
}

/** Counts in Redis when there is one, and otherwise in each process for itself. */
@Global()
@Module({
  providers: [{ provide: RateLimits, inject: [Config, Metrics], useFactory: fromEnvironment }, TenantHours],
  exports: [RateLimits, TenantHours],
})
export class RateLimitsModule {
  constructor({ env }: Config, limits: RateLimits, health: HealthChecks) {
    if (env.REDIS_URL === undefined) return;
    health.register({
      name: 'redis',
      // Calls pass without a limit meanwhile.
      isEssential: false,
      ask: async () => {
        await limits.ping();
        return {};
      },
    });
  }
}
