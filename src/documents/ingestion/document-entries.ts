import { Injectable } from '@nestjs/common';
import type { ChunkingOptionsDto } from '../../common/chunking-options.dto.js';
import type { Principal } from '../../common/principal.js';
import { DatabaseNotFound } from '../../databases/databases.errors.js';
import { keepAnswer } from '../../idempotency/claim.js';
import type { JobPriority } from '../../jobs/job.entity.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { violates } from '../../persistence/postgres-errors.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import type { IngestionSettings } from '../../tenancy/tenant-configuration.service.js';
import { IngestWebhooks } from '../../webhooks/ingest-webhooks.service.js';
import { DocumentChanged } from '../documents.errors.js';
import { DocumentRevisions, type RevisionFacts } from '../versions/document-revisions.js';
import { ReplacementTargets, type ReplacementRequest } from '../versions/replacement-targets.js';
import { IngestHandler } from './ingest.handler.js';
import type { Chunking } from './chunking/chunking.js';
import { chunkingOf } from './chunking/requested-chunking.js';
import { remoteTypeOf } from './remote-media.js';

/** Where a file goes, and how it is cut there. */
type EntryRequest = ReplacementRequest & ChunkingOptionsDto;

/** A file in its lasting place, and what is to become of it. */
export interface Upload extends Omit<RevisionFacts, keyof Chunking> {
  /** Of the document it replaces, or of a new one. */
  documentId: string;
  jobId: string;
  title: string;
  isReplacement: boolean;
  priority: JobPriority;
  /** Checked; told how it ends. */
  webhookUrl: string | null;
}

/** Enters a stored file as a document, or the next version of one, with its job and its charge, all in one transaction. */
@Injectable()
export class DocumentEntries {
  constructor(
    private readonly transactions: Transactions,
    private readonly targets: ReplacementTargets,
    private readonly revisions: DocumentRevisions,
    private readonly jobs: JobsService,
    private readonly handler: IngestHandler,
    private readonly webhooks: IngestWebhooks,
  ) {}

  /** Refuses early what could not be entered later; a lower limit or a larger use meanwhile is found when it is. @throws QuotaExceeded */
  requireRoom(principal: Principal, sizeBytes: number): Promise<void> {
    return this.transactions.forTenant(principal.tenantId, (tx) => this.revisions.requireRoom(tx, sizeBytes));
  }

  /**
   * The document that a file of this name would replace; null when it becomes a new one.
   * @throws DatabaseNotFound, DocumentNotFound
   */
  async findReplaced(principal: Principal, request: ReplacementRequest, name: string): Promise<string | null> {
    const { replaced } = await this.transactions.forTenant(principal.tenantId, (tx) => this.targets.find(tx, principal, request, name));
    return replaced?.id ?? null;
  }

  /**
   * @throws DatabaseNotFound, InvalidChunking, DocumentNotFound, DuplicateDocument, IllegalTransition, QuotaExceeded; DocumentChanged when another document is to
   * be replaced than the one the file was kept for. Nothing is entered then.
   */
  async enter<Answer extends object>(principal: Principal, settings: IngestionSettings, request: EntryRequest, upload: Upload, answer: Answer): Promise<Answer> {
    try {
      return await this.transactions.forTenant(principal.tenantId, async (tx) => {
        await this.enterIn(tx, principal, settings, request, upload);
        return keepAnswer(tx, answer);
      });
    } catch (error) {
      // The database was deleted while the file arrived.
      throw violates(error, 'documents_database') ? new DatabaseNotFound() : error;
    }
  }

  private async enterIn(tx: TenantTx, principal: Principal, settings: IngestionSettings, request: EntryRequest, upload: Upload): Promise<void> {
    const { jobId, documentId, isReplacement, priority, webhookUrl, ...sent } = upload;
    const { userId } = principal;
    const { database, replaced } = await this.targets.findForUpdate(tx, principal, request, sent.name);
    const facts = { ...sent, ...chunkingOf(request, settings, database) };
    await this.jobs.enqueue(tx, this.handler, { id: jobId, userId, documentId }, { priority, remoteType: remoteTypeOf(facts.type) });
    if (webhookUrl !== null) await this.webhooks.remember(tx, jobId, webhookUrl);
    if (replaced) await this.revisions.begin(tx, replaced.id, jobId, () => facts);
    else if (!isReplacement) await this.revisions.create(tx, { ...facts, id: documentId, jobId, userId, databaseId: database.id, metadata: facts.metadata ?? {} });
    // Told last: what is worked on says so first.
    if (isReplacement !== (replaced !== null) || (replaced && replaced.id !== documentId)) throw new DocumentChanged();
  }
}
