import { Injectable } from '@nestjs/common';
import { DatabasesService } from '../../databases/databases.service.js';
import type { TaskHandler } from '../../jobs/job-handler.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import { DocumentLife } from '../versions/document-life.service.js';
import { DatabaseContentsRepository } from './database-contents.repository.js';

const BATCH = 100;
const SLICE_MS = 20_000;
/** Until the documents' files and rows have gone by themselves. */
const LOOK_AGAIN_SECONDS = 2;

/** Removes what is in a database that was hidden: its documents one by one, and the row when the last of them is gone. */
@Injectable()
export class DatabaseRemoval implements TaskHandler {
  readonly name = 'remove-database';

  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesService,
    private readonly contents: DatabaseContentsRepository,
    private readonly life: DocumentLife,
    private readonly jobs: JobsService,
  ) {}

  async schedule(tx: TenantTx, databaseId: string, delaySeconds = 0): Promise<void> {
    await this.jobs.enqueueTask(tx, this, { databaseId }, delaySeconds);
  }

  async run(data: Record<string, string>, signal: AbortSignal): Promise<void> {
    const { tenantId, databaseId } = data as { tenantId: string; databaseId: string };
    const areDeleted = await this.deleteDocuments(tenantId, databaseId, SLICE_MS, signal);
    await this.transactions.forTenant(tenantId, async (tx) => {
      if (areDeleted && (await this.databases.forget(tx, databaseId))) return;
      await this.schedule(tx, databaseId, areDeleted ? LOOK_AGAIN_SECONDS : 0);
    });
  }

  /** Whether none is left to delete after so long. */
  async deleteDocuments(tenantId: string, databaseId: string, durationMs: number, signal?: AbortSignal): Promise<boolean> {
    for (const until = Date.now() + durationMs; Date.now() < until; ) {
      const ids = await this.transactions.forTenant(tenantId, (tx) => this.contents.listDocuments(tx, databaseId, BATCH));
      if (ids.length === 0) return true;
      for (const id of ids) {
        signal?.throwIfAborted();
        await this.life.removeWithDatabase(tenantId, id);
        if (Date.now() >= until) break;
      }
    }
    return false;
  }
}
