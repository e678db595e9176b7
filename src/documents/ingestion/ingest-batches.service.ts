import { Injectable } from '@nestjs/common';
import pLimit from 'p-limit';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '../../common/principal.js';
import type { ProblemDto } from '../../common/problem.dto.js';
import { DatabaseNotFound } from '../../databases/databases.errors.js';
import { DatabasesService } from '../../databases/databases.service.js';
import { asPart, keepAnswer } from '../../idempotency/claim.js';
import { violates } from '../../persistence/postgres-errors.js';
import { Transactions } from '../../persistence/transactions.js';
import type { IngestionSettings } from '../../tenancy/tenant-configuration.service.js';
import { BatchDto, type BatchAcceptedDto, type BatchEntryDto, type BatchItemDto, type BatchRejectionDto, type IngestBatchDto } from '../dto/batch.dto.js';
import type { AcceptedDto } from '../dto/ingest.dto.js';
import { IngestBatchesRepository } from '../ingest-batches.repository.js';
import { chunkingOf } from './chunking/requested-chunking.js';
import { IntakeService } from './intake.service.js';
import { BatchNotFound, BatchOutOfTime } from './sources.errors.js';
import { UrlDownload } from './url-download.js';

/** Of one batch; the process has a bound of its own. */
const URLS_AT_ONCE = 8;
/** Less than the minute after which proxies usually give up on an answer. */
const FETCHING_MS = 45_000;

interface Caller {
  signal: AbortSignal;
  /** What the error would be on the wire. */
  problemOf: (error: unknown) => ProblemDto;
}

/** Takes in many sources at once, each as if it had come alone. */
@Injectable()
export class IngestBatches {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesService,
    private readonly batches: IngestBatchesRepository,
    private readonly intake: IntakeService,
    private readonly download: UrlDownload,
  ) {}

  /** @throws DatabaseNotFound, EmbeddingModelChanged, InvalidChunking, UrlNotAllowed for `webhook_url`, before anything is taken in; the reason of `signal` */
  async ingest(principal: Principal, settings: IngestionSettings, dto: IngestBatchDto, { signal, problemOf }: Caller): Promise<BatchAcceptedDto> {
    const database = await this.transactions.forTenant(principal.tenantId, (tx) => this.databases.resolve(tx, principal, dto));
    chunkingOf(dto, settings, database);
    await this.intake.webhookOf(dto);
    const options = { ...dto, database_id: database.id };
    const outOfTime = new AbortController();
    const timer = setTimeout(() => outOfTime.abort(new BatchOutOfTime(FETCHING_MS / 1000)), FETCHING_MS);
    const until = AbortSignal.any([signal, outOfTime.signal]);
    // Texts one after the other: of two that are the same, the first is the one that is kept.
    const [urls, texts] = [pLimit(URLS_AT_ONCE), pLimit(1)];
    const tasks: BatchEntryDto[] = [];
    const rejected: BatchRejectionDto[] = [];
    const take = async (item: BatchItemDto, index: number): Promise<void> => {
      try {
        const { task_id, document_id } = await asPart(`item ${index}`, () => this.take(principal, settings, options, item, until));
        tasks.push({ index, task_id, document_id });
      } catch (error) {
        rejected.push({ index, problem: problemOf(error) });
      }
    };
    try {
      await Promise.all(dto.items.map((item, index) => (item.url === undefined ? texts : urls)(() => take(item, index))));
    } finally {
      clearTimeout(timer);
    }
    signal.throwIfAborted();
    const inOrder = (a: { index: number }, b: { index: number }): number => a.index - b.index;
    return this.record(principal, database.id, { batch_id: uuidv7(), tasks: tasks.toSorted(inOrder), rejected: rejected.toSorted(inOrder) });
  }

  async get(principal: Principal, id: string): Promise<BatchDto> {
    const batch = await this.transactions.forTenant(principal.tenantId, (tx) => this.batches.find(tx, id, principal.databaseIds));
    if (!batch) throw new BatchNotFound();
    return BatchDto.from(id, batch);
  }

  private async take(principal: Principal, settings: IngestionSettings, options: IngestBatchDto & { database_id: string }, item: BatchItemDto, until: AbortSignal): Promise<AcceptedDto> {
    until.throwIfAborted();
    const { items: _, database: __, metadata: ofAll, ...others } = options;
    const dto = { ...others, ...(ofAll || item.metadata ? { metadata: { ...ofAll, ...item.metadata } } : {}) };
    const { url, title, content, content_type = 'text/markdown' } = item;
    if (url === undefined) return this.intake.ingestText(principal, settings, { ...dto, title: title!, content: content!, content_type }, 'low');
    await this.intake.requireRoom(principal, 0);
    const file = await this.download.fetchInTurn(url, settings, until);
    return this.intake.accept(principal, settings, file, { ...dto, ...(title === undefined ? {} : { title }) }, 'low');
  }

  /** At last, and in one transaction: what the answer names is there, and a batch that nobody was told of is not. */
  private async record({ tenantId, userId }: Principal, databaseId: string, answer: BatchAcceptedDto): Promise<BatchAcceptedDto> {
    const items = answer.tasks.map(({ index, task_id }) => ({ index, jobId: task_id }));
    try {
      return await this.transactions.forTenant(tenantId, async (tx) => {
        await this.batches.insert(tx, { id: answer.batch_id, userId, databaseId, rejected: answer.rejected.length, items });
        return keepAnswer(tx, answer);
      });
    } catch (error) {
      // The database was deleted meanwhile.
      throw violates(error, 'ingest_batches_database') ? new DatabaseNotFound() : error;
    }
  }
}
