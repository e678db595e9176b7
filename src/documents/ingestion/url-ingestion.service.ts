import { Injectable } from '@nestjs/common';
import type { Principal } from '../../common/principal.js';
import { Transactions } from '../../persistence/transactions.js';
import type { IngestionSettings } from '../../tenancy/tenant-configuration.service.js';
import type { AcceptedDto, IngestUrlDto } from '../dto/ingest.dto.js';
import { ReplacementTargets } from '../versions/replacement-targets.js';
import { IntakeService } from './intake.service.js';
import { UrlDownload } from './url-download.js';

/** Takes in what a URL leads to. */
@Injectable()
export class UrlIngestion {
  constructor(
    private readonly transactions: Transactions,
    private readonly targets: ReplacementTargets,
    private readonly intake: IntakeService,
    private readonly download: UrlDownload,
  ) {}

  /** @throws what `UrlDownload.fetch` and `IntakeService.accept` throw; what can be refused without the page is refused before it is fetched */
  async ingest(principal: Principal, settings: IngestionSettings, dto: IngestUrlDto, signal: AbortSignal): Promise<AcceptedDto> {
    // The name of what comes is not known yet.
    await this.transactions.forTenant(principal.tenantId, (tx) => this.targets.find(tx, principal, { ...dto, replace_existing: false }, ''));
    await this.intake.requireRoom(principal, 0);
    await this.intake.webhookOf(dto);
    const file = await this.download.fetch(dto.url, settings, signal);
    return this.intake.accept(principal, settings, file, dto);
  }
}
