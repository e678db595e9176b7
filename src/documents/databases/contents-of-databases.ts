import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DatabaseContentsHolder, type DatabaseContents } from '../../databases/database-contents.js';
import { JobRegistry } from '../../jobs/job-registry.js';
import type { TenantTx } from '../../persistence/transactions.js';
import { DatabaseRemoval } from './database-removal.handler.js';
import { ReindexHandler } from './reindex.handler.js';
import { ReindexingRepository } from './reindexing.repository.js';

/** So long whoever deletes a database is kept waiting, so that of one of usual size nothing is left to be seen. */
const IN_REQUEST_MS = 5000;

/** What databases are told about the documents in them. */
@Injectable()
export class ContentsOfDatabases implements DatabaseContents, OnModuleInit {
  constructor(
    private readonly holder: DatabaseContentsHolder,
    private readonly registry: JobRegistry,
    private readonly reindexing: ReindexingRepository,
    private readonly reindexes: ReindexHandler,
    private readonly removal: DatabaseRemoval,
  ) {}

  onModuleInit(): void {
    this.holder.register(this);
    for (const task of [this.reindexes, this.removal]) this.registry.registerTask(task);
  }

  count(tx: TenantTx, databaseId: string): Promise<number> {
    return this.reindexing.count(tx, databaseId);
  }

  scheduleReindex(tx: TenantTx, reindexId: string): Promise<void> {
    return this.reindexes.schedule(tx, reindexId);
  }

  scheduleRemoval(tx: TenantTx, databaseId: string): Promise<void> {
    return this.removal.schedule(tx, databaseId);
  }

  async removeSome(tenantId: string, databaseId: string): Promise<void> {
    await this.removal.deleteDocuments(tenantId, databaseId, IN_REQUEST_MS);
  }
}
