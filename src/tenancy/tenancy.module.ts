import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { JobRegistry } from '../jobs/job-registry.js';
import { InstallationTotalsRepository } from './installation-totals.repository.js';
import { InstallationTotals } from './installation-totals.service.js';
import { QuotaCounts } from './quota-counts.js';
import { QuotaDriftMetric } from './quota-drift.metric.js';
import { QuotaEntity } from './quota.entity.js';
import { QuotaReconciliationRepository } from './quota-reconciliation.repository.js';
import { QuotaReconciliation } from './quota-reconciliation.service.js';
import { QuotasRepository } from './quotas.repository.js';
import { QuotasService } from './quotas.service.js';
import { ReconciliationsRepository } from './reconciliations.repository.js';
import { Reconciliations } from './reconciliations.service.js';
import { TenantAdministration } from './tenant-administration.service.js';
import { TenantEntity } from './tenant.entity.js';
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
  controllers: [TenantsController],
  providers: [
    TenantsRepository, TenantsService, TenantAdministration, QuotasRepository, QuotasService,
    UsageRepository, UsageService, UsageReportsRepository, UsageReports, UsageRollUpRepository, UsageRollUp,
    QuotaCounts, QuotaReconciliationRepository, QuotaReconciliation, ReconciliationsRepository, Reconciliations, QuotaDriftMetric, InstallationTotalsRepository, InstallationTotals,
  ],
  exports: [TenantsService, TenantAdministration, QuotasService, UsageService, UsageReports, QuotaCounts, QuotaReconciliation, Reconciliations, InstallationTotals],
})
export class TenancyModule {
  constructor(registry: JobRegistry, rollUp: UsageRollUp, reconciliation: QuotaReconciliation) {
    registry.registerSchedule(rollUp);
    registry.registerSchedule(reconciliation);
  }
}
