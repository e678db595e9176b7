import { Injectable } from '@nestjs/common';
import type { Principal } from '../../common/principal.js';
import { keepAnswer } from '../../idempotency/claim.js';
import { Transactions } from '../../persistence/transactions.js';
import type { IngestionSettings } from '../../tenancy/tenant-configuration.service.js';
import { IllegalTransition, NotFromUrl } from '../documents.errors.js';
import { DocumentsRepository } from '../documents.repository.js';
import { RefreshedDto } from '../dto/refresh.dto.js';
import { IntakeService } from '../ingestion/intake.service.js';
import { UrlDownload } from '../ingestion/url-download.js';
import { allowedIn, isServed } from './transitions.js';

/** Looks whether what a document was fetched from has changed. */
@Injectable()
export class DocumentRefresh {
  constructor(
    private readonly transactions: Transactions,
    private readonly documents: DocumentsRepository,
    private readonly download: UrlDownload,
    private readonly intake: IntakeService,
  ) {}

  /** @throws DocumentNotFound, NotFromUrl, IllegalTransition, and what `UrlDownload.fetch` and `IntakeService.accept` throw; the document is then as it was */
  async refresh(principal: Principal, settings: IngestionSettings, id: string, signal: AbortSignal): Promise<RefreshedDto> {
    const { document } = await this.transactions.forTenant(principal.tenantId, (tx) => this.documents.requireVisible(tx, id, principal.databaseIds));
    if (document.sourceUrl === null) throw new NotFromUrl();
    const allowed = allowedIn(document.state);
    if (!allowed.includes('reprocess')) throw new IllegalTransition(document.state, allowed);
    const file = await this.download.fetch(document.sourceUrl, settings, signal);
    if (isServed(document) && file.blob.sha256 === document.contentChecksum) {
      await this.intake.discard(file.blob);
      return this.transactions.forTenant(principal.tenantId, (tx) => keepAnswer(tx, RefreshedDto.unchanged(id)));
    }
    const { title, chunkSize: chunk_size, chunkOverlap: chunk_overlap, chunkingStrategy: chunking_strategy } = document;
    const dto = { replace_existing: true, document_id: id, title, chunk_size, chunk_overlap, chunking_strategy };
    return this.intake.acceptFor(principal, settings, file, dto, { answerOf: (accepted) => RefreshedDto.from(accepted) });
  }
}
