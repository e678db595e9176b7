import { Global, Module } from '@nestjs/common';
import { Refusals } from '../common/refusals.js';
import { AuditChainRepository } from './audit-chain.repository.js';
import { AuditUpkeep } from './audit-upkeep.service.js';
import { AuditVerification } from './audit-verification.js';
import { AuditController } from './audit.controller.js';
import { AuditRepository } from './audit.repository.js';
import { AuditService } from './audit.service.js';
import { DenialsRepository } from './denials.repository.js';
import { Denials } from './denials.service.js';

/** Who changed what, and what was refused. Changes are written by the triggers of migration 23; here they are read, verified and let go of. */
@Global()
@Module({
  controllers: [AuditController],
  providers: [Refusals, Denials, DenialsRepository, AuditRepository, AuditService, AuditChainRepository, AuditUpkeep, AuditVerification],
  exports: [Refusals, AuditService, AuditUpkeep],
})
export class AuditModule {}
