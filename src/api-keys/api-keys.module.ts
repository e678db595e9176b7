import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { QuotaCounts } from '../tenancy/quota-counts.js';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { UsageService } from '../tenancy/usage.service.js';
import { ApiKeyUsageService } from './api-key-usage.service.js';
import { ApiKeyEntity } from './api-key.entity.js';
import { ApiKeyVerifier } from './api-key-verifier.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysRepository, HELD_PLACES } from './api-keys.repository.js';
import { ApiKeysService } from './api-keys.service.js';
import { KeyVerificationService } from './key-verification.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([ApiKeyEntity]), TenancyModule],
  controllers: [ApiKeysController],
  providers: [ApiKeysRepository, ApiKeysService, ApiKeyVerifier, KeyVerificationService, ApiKeyUsageService],
  exports: [ApiKeysService, ApiKeyVerifier],
})
export class ApiKeysModule {
  constructor(usage: UsageService, apiKeys: ApiKeysRepository, counts: QuotaCounts) {
    counts.register({ resources: ['api_keys'], sql: HELD_PLACES });
    usage.onKeyUse((tx, uses) => apiKeys.addUse(tx, uses));
  }
}
