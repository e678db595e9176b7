import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '../../common/principal.js';
import { DatabasesService } from '../../databases/databases.service.js';
import { keepAnswer } from '../../idempotency/claim.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import type { DocumentEntity } from '../document.entity.js';
import { DocumentChanged, DocumentNotFound } from '../documents.errors.js';
import { DocumentsRepository } from '../documents.repository.js';
import { DocumentDto } from '../dto/document.dto.js';
import { AcceptedDto } from '../dto/ingest.dto.js';
import type { ReprocessDto } from '../dto/reprocess.dto.js';
import { IngestHandler } from '../ingestion/ingest.handler.js';
import { remoteTypeOf } from '../ingestion/remote-media.js';
import { DocumentRevisions, sameFile } from './document-revisions.js';

/** How often a deletion begins anew when work on the document began in the same moment. */
const REMOVAL_ATTEMPTS = 5;

/** What people do with a document that is there. */
@Injectable()
export class DocumentLife {
  constructor(
    private readonly transactions: Transactions,
    private readonly documents: DocumentsRepository,
    private readonly databases: DatabasesService,
    private readonly jobs: JobsService,
    private readonly revisions: DocumentRevisions,
    private readonly handler: IngestHandler,
  ) {}

  /** @throws DocumentNotFound, IllegalTransition, InvalidChunking, EmbeddingModelChanged, DuplicateDocument, QuotaExceeded */
  reprocess(principal: Principal, id: string, dto: ReprocessDto): Promise<AcceptedDto> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const { document } = await this.documents.requireVisible(tx, id, principal.databaseIds);
      await this.databases.resolve(tx, principal, { database_id: document.databaseId });
      const jobId = uuidv7();
      await this.jobs.enqueue(tx, this.handler, { id: jobId, userId: principal.userId, documentId: document.id }, { priority: 'low', remoteType: remoteTypeOf(document.type) });
      const { sizeBytes, type } = await this.revisions.begin(tx, document.id, jobId, (current) => sameFile(current, dto));
      // A file of another type was served in between: who has to read it has changed.
      if (type !== document.type) throw new DocumentChanged();
      return keepAnswer(tx, AcceptedDto.from(jobId, document.id, sizeBytes));
    });
  }

  /** Not searched any more, until it is restored. @throws DocumentNotFound, IllegalTransition */
  deprecate(principal: Principal, id: string): Promise<DocumentDto> {
    return this.change(principal, id, (tx) => this.revisions.deprecate(tx, id));
  }

  /** @throws DocumentNotFound, IllegalTransition */
  restore(principal: Principal, id: string): Promise<DocumentDto> {
    return this.change(principal, id, (tx) => this.revisions.restore(tx, id));
  }

  /** Gone for every reader at once, an ingest in flight included; the rest follows in the background. @throws DocumentNotFound */
  remove(principal: Principal, id: string): Promise<void> {
    return this.removeFound(principal.tenantId, async (tx) => (await this.documents.requireVisible(tx, id, principal.databaseIds)).document);
  }

  /** With its whole database; one that is gone already is fine. */
  async removeWithDatabase(tenantId: string, id: string): Promise<void> {
    try {
      await this.removeFound(tenantId, (tx) => this.documents.findById(tx, id));
    } catch (error) {
      if (!(error instanceof DocumentNotFound)) throw error;
    }
  }

  private async removeFound(tenantId: string, find: (tx: TenantTx) => Promise<DocumentEntity | null>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.transactions.forTenant(tenantId, async (tx) => {
          await this.removeIn(tx, find);
          // For a batch, which was done with this one then.
          await keepAnswer(tx, {});
        });
        return;
      } catch (error) {
        if (!(error instanceof DocumentChanged) || attempt === REMOVAL_ATTEMPTS) throw error;
      }
    }
  }

  private async removeIn(tx: TenantTx, find: (tx: TenantTx) => Promise<DocumentEntity | null>): Promise<void> {
    const document = await find(tx);
    if (!document) throw new DocumentNotFound();
    // The job's row before the document's, as a job that ends takes them: the other way round both would wait for each other.
    await this.jobs.cancelOfDocument(tx, document.id);
    await this.revisions.remove(tx, document);
  }

  private change(principal: Principal, id: string, work: (tx: TenantTx) => Promise<void>): Promise<DocumentDto> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      await this.documents.requireVisible(tx, id, principal.databaseIds);
      await work(tx);
      return keepAnswer(tx, DocumentDto.from(await this.documents.requireVisible(tx, id, principal.databaseIds)));
    });
  }
}
