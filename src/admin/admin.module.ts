import { Module } from '@nestjs/common';
import { DocumentsModule } from '../documents/documents.module.js';
import { HealthChecks } from '../metrics/health-checks.js';
import { Transactions } from '../persistence/transactions.js';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { UsersModule } from '../users/users.module.js';
import { AdminHealthController } from './admin-health.controller.js';
import { AdminReconciliationController } from './admin-reconciliation.controller.js';
import { AdminTenantsController } from './admin-tenants.controller.js';
import { AdminUsersController } from './admin-users.controller.js';
import { InstallationHealth } from './installation-health.service.js';

/** What the operator of the whole installation sees and does. */
@Module({
  imports: [TenancyModule, UsersModule, DocumentsModule],
  controllers: [AdminTenantsController, AdminUsersController, AdminHealthController, AdminReconciliationController],
  providers: [InstallationHealth],
})
export class AdminModule {
  constructor(health: HealthChecks, transactions: Transactions) {
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
