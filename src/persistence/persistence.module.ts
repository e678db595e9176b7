import { Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Env } from '../config/env.js';
import { HealthChecks } from '../metrics/health-checks.js';
import { runtimeOptions } from './data-source.js';
import { Months } from './months.js';
import { PoolMetrics } from './pool.metrics.js';
import { ReplicaMetrics } from './replica.metrics.js';
import { Replica, type ReplicaOptions } from './replica.js';
import { Transactions } from './transactions.js';

function openReplica(options: ReplicaOptions, primary: DataSource, metrics: ReplicaMetrics, health: HealthChecks): Replica {
  const replica = new Replica(primary, options, metrics);
  // Everything is read from the primary meanwhile.
  health.register({ name: 'replica', isEssential: false, ask: async () => replica.ask() });
  return replica;
}

/** The connection pools and the one way to use them. Entities are registered by the modules that own them. */
@Module({})
export class PersistenceModule {
  static forRoot(databaseUrl: string, { ROLE, DATABASE_POOL, DATABASE_REPLICA_URL: url, DATABASE_REPLICA_POOL, DATABASE_REPLICA_MAX_LAG_MS: maxLagMs }: Env): DynamicModule {
    // A worker makes no lists.
    const options = url === undefined || ROLE === 'worker' ? undefined : { primaryUrl: databaseUrl, url, poolSize: DATABASE_REPLICA_POOL ?? DATABASE_POOL, maxLagMs };
    const replica = options && {
      provide: Replica,
      inject: [DataSource, ReplicaMetrics, HealthChecks],
      useFactory: (primary: DataSource, metrics: ReplicaMetrics, health: HealthChecks) => openReplica(options, primary, metrics, health),
    };
    return {
      module: PersistenceModule,
      global: true,
      imports: [TypeOrmModule.forRoot({ ...runtimeOptions(databaseUrl, DATABASE_POOL), autoLoadEntities: true, retryAttempts: 3, retryDelay: 500 })],
      providers: [Transactions, Months, PoolMetrics, ReplicaMetrics, ...(replica ? [replica] : [])],
      exports: [Transactions, Months],
    };
  }
}
