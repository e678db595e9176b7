import path from 'node:path';
import { Logger, Module, type OnApplicationShutdown } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Config } from '../config/config.js';
import { HealthChecks } from '../metrics/health-checks.js';
import { QuotaCounts } from '../tenancy/quota-counts.js';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { DatabaseEntity } from './database.entity.js';
import { DatabaseServerEntity } from './database-server.entity.js';
import { DatabasesController } from './databases.controller.js';
import { DatabasesRepository } from './databases.repository.js';
import { DatabasesService } from './databases.service.js';
import { LanceDbStore } from './vector-stores/lancedb.store.js';
import { VectorStore } from './vector-stores/vector-store.js';

@Module({
  imports: [TypeOrmModule.forFeature([DatabaseEntity, DatabaseServerEntity]), TenancyModule],
  controllers: [DatabasesController],
  providers: [
    DatabasesRepository,
    DatabasesService,
    {
      provide: VectorStore,
      inject: [Config],
      useFactory: ({ dataDir }: Config) => LanceDbStore.open({ directory: path.join(dataDir, 'vectors'), logger: new Logger('LanceDbStore') }),
    },
  ],
  exports: [DatabasesService, VectorStore],
})
export class DatabasesModule implements OnApplicationShutdown {
  constructor(
    private readonly store: VectorStore,
    counts: QuotaCounts,
    health: HealthChecks,
  ) {
    counts.register({ resources: ['databases'], sql: `SELECT tenant_id, 'databases', count(*), 0::bigint FROM databases WHERE tenant_id = ANY ($1) GROUP BY tenant_id` });
    health.register({
      name: 'vector_store',
      isEssential: true,
      ask: async () => {
        await store.ping();
        return {};
      },
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.store.close();
  }
}
