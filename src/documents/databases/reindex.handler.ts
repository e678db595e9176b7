import { Injectable } from '@nestjs/common';
import { AppError } from '../../common/errors.js';
import { DatabaseCollections } from '../../databases/collections/database-collections.service.js';
import { Reindexes, type RunningReindex } from '../../databases/reindexes/reindexes.service.js';
import { EmbeddingFailed } from '../../embeddings/embedder.js';
import type { TaskHandler } from '../../jobs/job-handler.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import { DocumentEmbedding } from '../ingestion/document-embedding.js';
import { ReindexedVersions } from './reindexed-versions.js';

/** Then it lets others have their turn, and goes on where it was. */
const SLICE_MS = 20_000;
const PAGE = 50;
/** Failures in a row, of things that may come right; with the pauses between them some hours. */
const MOST_ATTEMPTS = 40;
const LONGEST_PAUSE_SECONDS = 300;


/**
 * Makes the vectors of a database anew in another collection, document by document from the chunks that are there, and swaps the collections when
 * none is missing. Killed anywhere, it goes on behind the last document that was noted.
 */
@Injectable()
export class ReindexHandler implements TaskHandler {
  readonly name = 'reindex-database';

  constructor(
    private readonly transactions: Transactions,
    private readonly reindexes: Reindexes,
    private readonly collections: DatabaseCollections,
    private readonly embedding: DocumentEmbedding,
    private readonly versions: ReindexedVersions,
    private readonly jobs: JobsService,
  ) {}

  async schedule(tx: TenantTx, reindexId: string, delaySeconds = 0): Promise<void> {
    await this.jobs.enqueueTask(tx, this, { reindexId }, delaySeconds);
  }

  async run(data: Record<string, string>, signal: AbortSignal): Promise<void> {
    const { tenantId, reindexId } = data as { tenantId: string; reindexId: string };
    const running = await this.reindexes.findRunning(tenantId, reindexId);
    if (!running) return;
    try {
      if (await this.goOn(running, signal)) return;
    } catch (error) {
      // A process that stops hands the task to another one.
      signal.throwIfAborted();
      return this.stumble(running, error);
    }
    await this.transactions.forTenant(tenantId, (tx) => this.schedule(tx, reindexId));
  }

  /** Whether it has come to its end. */
  private async goOn({ reindex, next }: RunningReindex, signal: AbortSignal): Promise<boolean> {
    const until = Date.now() + SLICE_MS;
    const destination = { collection: await this.collections.of(next), embedder: await this.embedding.of(next) };
    await destination.collection.ensure();
    for (let before: string | null = null; Date.now() < until; ) {
      const page = await this.versions.listMissing(reindex, before, PAGE);
      for (const version of page) {
        signal.throwIfAborted();
        await this.versions.make(reindex, version, destination, signal);
        if (Date.now() >= until) break;
      }
      if (!(await this.versions.noteProgress(reindex))) return true;
      before = page.at(-1)?.documentId ?? null;
      if (page.length === PAGE) continue;
      if (await this.versions.swap(reindex)) return true;
      // Some came or changed meanwhile: once more from the newest.
      before = null;
    }
    return false;
  }

  private async stumble({ reindex: { tenantId, id, attempt } }: RunningReindex, error: unknown): Promise<void> {
    const { code, message, isForGood } = reasonOf(error);
    const attempts = attempt + 1;
    await this.transactions.forTenant(tenantId, async (tx) => {
      if (isForGood || attempts >= MOST_ATTEMPTS) return this.reindexes.fail(tx, id, { code, message });
      await this.reindexes.note(tx, id, { attempt: attempts, error: { code, message } });
      const pause = error instanceof EmbeddingFailed ? error.retryAfterSeconds : undefined;
      await this.schedule(tx, id, pause ?? Math.min(2 ** attempts, LONGEST_PAUSE_SECONDS));
    });
    // Only what people can mend or wait for is theirs to read; the rest is in the log, as any task's failure.
    if (code === 'internal_error') throw error;
  }
}

function reasonOf(error: unknown): { code: string; message: string; isForGood: boolean } {
  if (error instanceof EmbeddingFailed) return { code: error.code, message: error.message, isForGood: error.permanent };
  if (error instanceof AppError) return { code: error.code, message: error.message, isForGood: false };
  return { code: 'internal_error', message: 'Something went wrong on the server. It is tried again.', isForGood: false };
}
