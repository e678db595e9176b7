import { Module } from '@nestjs/common';
import { DatabasesModule } from '../databases/databases.module.js';
import { DocumentsModule } from '../documents/documents.module.js';
import { JobRegistry } from '../jobs/job-registry.js';
import { HealthChecks } from '../metrics/health-checks.js';
import { Transactions } from '../persistence/transactions.js';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { UsersModule } from '../users/users.module.js';
import { AdminAuditController } from './admin-audit.controller.js';
import { AdminHealthController } from './admin-health.controller.js';
import { AdminJobsController } from './admin-jobs.controller.js';
import { AdminReconciliationController } from './admin-reconciliation.controller.js';
import { AdminTenantsController } from './admin-tenants.controller.js';
import { AdminUsersController } from './admin-users.controller.js';
import { AuditRetention } from './audit-retention.js';
import { InstallationHealth } from './installation-health.service.js';
import { TenantPurgeHandler } from './tenant-purge.handler.js';
import { TenantPurge } from './tenant-purge.service.js';
import { TenantRowsRepository } from './tenant-rows.repository.js';
import { TenantRows } from './tenant-rows.service.js';
import { TenantStores } from './tenant-stores.service.js';

/** What the operator of the whole installation sees and does. */
@Module({
  imports: [TenancyModule, UsersModule, DatabasesModule, DocumentsModule],
  controllers: [AdminAuditController, AdminJobsController, AdminTenantsController, AdminUsersController, AdminHealthController, AdminReconciliationController],
  providers: [TenantPurge, TenantPurgeHandler, TenantRowsRepository, TenantRows, TenantStores, InstallationHealth, AuditRetention],
})
export class AdminModule {
  constructor(registry: JobRegistry, purge: TenantPurgeHandler, retention: AuditRetention, health: HealthChecks, transactions: Transactions) {
    registry.registerTask(purge);
    registry.registerSchedule(retention);
    // Here, since `persistence` and `metrics` stand beside each other on the ground.
    health.register({
      name: 'database',
      isEssential: true,
      ask: async () => {
        await transactions.forSystem((tx) => tx.manager.query('SELECT 1'));
        return {};
      },
    });
  }
}
