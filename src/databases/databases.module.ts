import { Logger, Module, type OnApplicationShutdown } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Config } from '../config/config.js';
import { JobRegistry } from '../jobs/job-registry.js';
import { HealthChecks } from '../metrics/health-checks.js';
import { QuotaCounts } from '../tenancy/quota-counts.js';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { CollectionRemoval } from './collections/collection-removal.handler.js';
import { Collections } from './collections/collections.service.js';
import { DatabaseCollections } from './collections/database-collections.service.js';
import { TenantCollections } from './collections/tenant-collections.service.js';
import { VectorStoreMetrics } from './collections/vector-store.metrics.js';
import { VectorStores } from './collections/vector-stores.service.js';
import { DatabaseAdministration } from './database-administration.service.js';
import { DatabaseContentsHolder } from './database-contents.js';
import { DatabaseCreation } from './database-creation.service.js';
import { DatabaseOverviews } from './database-overviews.service.js';
import { DatabaseRows } from './database-rows.js';
import { DatabaseEntity } from './database.entity.js';
import { DatabasesController } from './databases.controller.js';
import { DatabasesRepository } from './databases.repository.js';
import { DatabasesService } from './databases.service.js';
import { IndexSettingsChoice } from './index-settings.service.js';
import { ReindexEntity } from './reindexes/reindex.entity.js';
import { ReindexesRepository } from './reindexes/reindexes.repository.js';
import { Reindexes } from './reindexes/reindexes.service.js';
import { DatabaseServerEntity } from './servers/database-server.entity.js';
import { DatabaseServersController } from './servers/database-servers.controller.js';
import { DatabaseServersRepository } from './servers/database-servers.repository.js';
import { DatabaseServersService } from './servers/database-servers.service.js';
import { ServerHealthChecks } from './servers/server-health-checks.js';
import { ServerProbes } from './servers/server-probes.service.js';
import { ServerTests } from './servers/server-tests.service.js';
import { LanceDbStore } from './vector-stores/lancedb.store.js';
import { VectorStore } from './vector-stores/vector-store.js';

@Module({
  imports: [TypeOrmModule.forFeature([DatabaseEntity, DatabaseServerEntity, ReindexEntity]), TenancyModule],
  controllers: [DatabasesController, DatabaseServersController],
  providers: [
    DatabasesRepository,
    DatabasesService,
    DatabaseAdministration,
    DatabaseCreation,
    DatabaseOverviews,
    DatabaseContentsHolder,
    IndexSettingsChoice,
    Reindexes,
    CollectionRemoval,
    DatabaseRows,
    DatabaseServersRepository,
    DatabaseServersService,
    ServerProbes,
    ServerTests,
    ServerHealthChecks,
    VectorStores,
    VectorStoreMetrics,
    Collections,
    ReindexesRepository,
    DatabaseCollections,
    TenantCollections,
    {
      provide: VectorStore,
      inject: [Config],
      useFactory: ({ vectorDir }: Config) => LanceDbStore.open({ directory: vectorDir, logger: new Logger('LanceDbStore') }),
    },
  ],
  exports: [DatabasesService, DatabaseRows, TenantCollections, Collections, DatabaseCollections, DatabaseContentsHolder, Reindexes, VectorStores],
})
export class DatabasesModule implements OnApplicationShutdown {
  constructor(
    private readonly stores: VectorStores,
    counts: QuotaCounts,
    health: HealthChecks,
    registry: JobRegistry,
    removal: CollectionRemoval,
  ) {
    registry.registerTask(removal);
    counts.register({ resources: ['databases'], sql: `SELECT tenant_id, 'databases', count(*), 0::bigint FROM databases WHERE tenant_id = ANY ($1) AND deleted_at IS NULL GROUP BY tenant_id` });
    health.register({
      name: 'vector_store',
      isEssential: true,
      ask: async () => {
        await stores.embedded.ping();
        return {};
      },
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.stores.close();
  }
}
