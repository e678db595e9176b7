import { Injectable } from '@nestjs/common';
import type { Principal } from '../../common/principal.js';
import { DatabasesService } from '../../databases/databases.service.js';
import { Transactions } from '../../persistence/transactions.js';
import type { IngestionSettings } from '../../tenancy/tenant-configuration.service.js';
import type { AcceptedDto, IngestUrlDto } from '../dto/ingest.dto.js';
import { IntakeService } from './intake.service.js';
import { UrlDownload } from './url-download.js';

/** Takes in what a URL leads to. */
@Injectable()
export class UrlIngestion {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesService,
    private readonly intake: IntakeService,
    private readonly download: UrlDownload,
  ) {}

  /** @throws what `UrlDownload.fetch` and `IntakeService.accept` throw; what can be refused without the page is refused before it is fetched */
  async ingest(principal: Principal, settings: IngestionSettings, dto: IngestUrlDto, signal: AbortSignal): Promise<AcceptedDto> {
    await this.transactions.forTenant(principal.tenantId, (tx) => this.databases.resolve(tx, principal, dto));
    await this.intake.requireRoom(principal, 0);
    const file = await this.download.fetch(dto.url, settings, signal);
    return this.intake.accept(principal, settings, file, dto);
  }
}
