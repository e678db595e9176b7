import { Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { runtimeOptions } from './data-source.js';
import { Months } from './months.js';
import { PoolMetrics } from './pool.metrics.js';
import { Transactions } from './transactions.js';

/** The connection pool and the one way to use it. Entities are registered by the modules that own them. */
@Module({})
export class PersistenceModule {
  static forRoot(databaseUrl: string, poolSize: number): DynamicModule {
    return {
      module: PersistenceModule,
      global: true,
      imports: [TypeOrmModule.forRoot({ ...runtimeOptions(databaseUrl, poolSize), autoLoadEntities: true, retryAttempts: 3, retryDelay: 500 })],
      providers: [Transactions, Months, PoolMetrics],
      exports: [Transactions, Months],
    };
  }
}
