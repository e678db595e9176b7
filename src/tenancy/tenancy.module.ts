import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Outbox } from '../events/outbox.js';
import { JobRegistry } from '../jobs/job-registry.js';
import { CallCrossings } from './call-crossings.js';
import { CallQuotasRepository } from './call-quotas.repository.js';
import { EventRetention } from './event-retention.js';
import { IdempotencyRetention } from './idempotency-retention.js';
import { InstallationTotalsRepository } from './installation-totals.repository.js';
import { InstallationTotals } from './installation-totals.service.js';
import { MonthsAhead } from './months-ahead.js';
import { QuotaCounts } from './quota-counts.js';
import { QuotaCrossings } from './quota-crossings.js';
import { QuotaDriftMetric } from './quota-drift.metric.js';
import { QuotaEntity } from './quota.entity.js';
import { QuotaHistoryRepository } from './quota-history.repository.js';
import { QuotaReconciliationRepository } from './quota-reconciliation.repository.js';
import { QuotaReconciliation } from './quota-reconciliation.service.js';
import { QuotasRepository } from './quotas.repository.js';
import { QuotasService } from './quotas.service.js';
import { ReconciliationsRepository } from './reconciliations.repository.js';
import { Reconciliations } from './reconciliations.service.js';
import { TenantAdministration } from './tenant-administration.service.js';
import { TenantConfigurationRepository } from './tenant-configuration.repository.js';
import { TenantConfigurationService } from './tenant-configuration.service.js';
import { TenantUsageController } from './tenant-usage.controller.js';
import { TenantUsageService } from './tenant-usage.service.js';
import { TenantEntity } from './tenant.entity.js';
import { TenantRemoval } from './tenant-removal.service.js';
import { TenantUpdates } from './tenant-updates.service.js';
import { TenantsController } from './tenants.controller.js';
import { TenantsRepository } from './tenants.repository.js';
import { TenantsService } from './tenants.service.js';
import { UsageReportsRepository } from './usage-reports.repository.js';
import { UsageReports } from './usage-reports.service.js';
import { UsageRollUp } from './usage-roll-up.js';
import { UsageRollUpRepository } from './usage-roll-up.repository.js';
import { UsageRepository } from './usage.repository.js';
import { UsageService } from './usage.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([TenantEntity, QuotaEntity])],
  controllers: [TenantsController, TenantUsageController],
  providers: [
    TenantsRepository, TenantsService, TenantConfigurationRepository, TenantConfigurationService, TenantAdministration, TenantUpdates, TenantRemoval, QuotasRepository, QuotasService,
    CallQuotasRepository, CallCrossings, QuotaCrossings, EventRetention, IdempotencyRetention, MonthsAhead,
    UsageRepository, UsageService, UsageReportsRepository, UsageReports, UsageRollUpRepository, UsageRollUp,
    QuotaHistoryRepository, TenantUsageService,
    QuotaCounts, QuotaReconciliationRepository, QuotaReconciliation, ReconciliationsRepository, Reconciliations, QuotaDriftMetric, InstallationTotalsRepository, InstallationTotals,
  ],
  exports: [
    TenantsService, TenantConfigurationService, TenantAdministration, TenantUpdates, TenantRemoval, QuotasService, UsageService, UsageReports,
    QuotaCounts, QuotaReconciliation, Reconciliations, InstallationTotals,
  ],
})
export class TenancyModule {
  constructor(registry: JobRegistry, rollUp: UsageRollUp, retention: EventRetention, reconciliation: QuotaReconciliation, outbox: Outbox, crossings: QuotaCrossings) {
    for (const task of [rollUp, retention, reconciliation]) registry.registerSchedule(task);
    outbox.subscribe(crossings);
  }
}
