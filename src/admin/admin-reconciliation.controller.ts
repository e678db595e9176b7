import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RequirePermission, RequireRole } from '../common/principal.js';
import { QuotaReconciliation } from '../tenancy/quota-reconciliation.service.js';
import { ReconcileDto, ReconciliationDto } from './dto/reconciliation.dto.js';

/** A request is not held longer; `npm run reconcile` takes the time it needs. */
const BUDGET_MS = 20_000;

@ApiTags('Administration')
@Controller('admin/reconcile')
@RequirePermission('admin')
@RequireRole('ADMIN')
export class AdminReconciliationController {
  constructor(private readonly reconciliation: QuotaReconciliation) {}

  /** Compares the counters of the quotas with what there is, for all tenants or one, and sets them right where that is asked for. */
  @Post()
  @HttpCode(200)
  async reconcile(@Body() { repair, tenant_id: tenantId }: ReconcileDto): Promise<ReconciliationDto> {
    return ReconciliationDto.from(await this.reconciliation.reconcile({ repair, tenantId: tenantId?.toLowerCase(), signal: AbortSignal.timeout(BUDGET_MS) }));
  }
}
