import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { QuotaEntity } from './quota.entity.js';
import { QuotasRepository } from './quotas.repository.js';
import { QuotasService } from './quotas.service.js';
import { TenantEntity } from './tenant.entity.js';
import { TenantsController } from './tenants.controller.js';
import { TenantsRepository } from './tenants.repository.js';
import { TenantsService } from './tenants.service.js';
import { UsageRepository } from './usage.repository.js';
import { UsageService } from './usage.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([TenantEntity, QuotaEntity])],
  controllers: [TenantsController],
  providers: [TenantsRepository, TenantsService, QuotasRepository, QuotasService, UsageRepository, UsageService],
  exports: [TenantsService, QuotasService, UsageService],
})
export class TenancyModule {}
