import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { DatabaseContentsHolder } from './database-contents.js';
import type { DatabaseEntity } from './database.entity.js';
import { CollectionReplaced, DatabaseNotFound } from './databases.errors.js';
import { DatabasesRepository } from './databases.repository.js';
import { DatabaseOverviews } from './database-overviews.service.js';
import { mayUse } from './databases.service.js';
import type { DatabaseDto, RemoveDatabaseQueryDto, UpdateDatabaseDto } from './dto/database.dto.js';
import { DatabaseRows } from './database-rows.js';
import { IndexSettingsChoice } from './index-settings.service.js';

/** What people do with a database that is there. */
@Injectable()
export class DatabaseAdministration {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesRepository,
    private readonly rows: DatabaseRows,
    private readonly choice: IndexSettingsChoice,
    private readonly contents: DatabaseContentsHolder,
    private readonly overviews: DatabaseOverviews,
  ) {}

  /** @throws DatabaseNotFound, InvalidDatabaseChunking, ValidationFailed, UrlNotAllowed */
  async update(principal: Principal, id: string, dto: UpdateDatabaseDto): Promise<DatabaseDto> {
    const { tenantId } = principal;
    const seen = await this.transactions.forTenant(tenantId, (tx) => this.find(tx, principal, id));
    const endpoint = await this.choice.changeEndpoint(seen, dto);
    return this.transactions.forTenant(tenantId, async (tx) => {
      const database = await this.databases.lock(tx, id);
      if (!database) throw new DatabaseNotFound();
      // A reindex came in between, and with it another endpoint.
      if (endpoint && database.generation !== seen.generation) throw new CollectionReplaced();
      const chunking = {
        chunkSize: dto.chunk_size === undefined ? database.chunkSize : dto.chunk_size,
        chunkOverlap: dto.chunk_overlap === undefined ? database.chunkOverlap : dto.chunk_overlap,
        chunkingStrategy: dto.chunking_strategy === undefined ? database.chunkingStrategy : dto.chunking_strategy,
      };
      this.rows.requireChunking(chunking);
      await this.databases.update(tx, id, { ...chunking, ...endpoint, ...(dto.description === undefined ? {} : { description: dto.description }) });
      return this.overviews.find(tx, id);
    });
  }

  /**
   * With `cascade` it is hidden with all it holds, and its name is free.
   * @throws DatabaseNotFound; DatabaseInUse while it holds documents, without `cascade`
   */
  async remove(principal: Principal, id: string, { cascade }: RemoveDatabaseQueryDto): Promise<void> {
    await this.transactions.forTenant(principal.tenantId, async (tx) => {
      const database = await this.find(tx, principal, id);
      if (!(await (cascade ? this.rows.hide(tx, database) : this.rows.remove(tx, database)))) throw new DatabaseNotFound();
      if (cascade) await this.contents.get().scheduleRemoval(tx, id);
    });
    if (cascade) await this.contents.get().removeSome(principal.tenantId, id);
  }

  private async find(tx: TenantTx, principal: Principal, id: string): Promise<DatabaseEntity> {
    const database = mayUse(principal, id) && (await this.databases.findById(tx, id));
    if (!database) throw new DatabaseNotFound();
    return database;
  }
}
