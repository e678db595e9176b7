import { Module } from '@nestjs/common';
import { DatabasesModule } from '../databases/databases.module.js';
import { DocumentsModule } from '../documents/documents.module.js';
import { JobRegistry } from '../jobs/job-registry.js';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { UsersModule } from '../users/users.module.js';
import { AdminJobsController } from './admin-jobs.controller.js';
import { AdminTenantsController } from './admin-tenants.controller.js';
import { AdminUsersController } from './admin-users.controller.js';
import { TenantPurgeHandler } from './tenant-purge.handler.js';
import { TenantPurge } from './tenant-purge.service.js';
import { TenantRowsRepository } from './tenant-rows.repository.js';
import { TenantRows } from './tenant-rows.service.js';
import { TenantStores } from './tenant-stores.service.js';

/** What the operator of the whole installation sees and does. */
@Module({
  imports: [TenancyModule, UsersModule, DatabasesModule, DocumentsModule],
  controllers: [AdminJobsController, AdminTenantsController, AdminUsersController],
  providers: [TenantPurge, TenantPurgeHandler, TenantRowsRepository, TenantRows, TenantStores],
})
export class AdminModule {
  constructor(registry: JobRegistry, purge: TenantPurgeHandler) {
    registry.registerTask(purge);
  }
}
