import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '../common/principal.js';
import { asPart, forgetPart, keepAnswer } from '../idempotency/claim.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { DatabaseCollections } from './collections/database-collections.service.js';
import type { DatabaseEntity } from './database.entity.js';
import { DatabaseOverviews } from './database-overviews.service.js';
import { DatabaseRows } from './database-rows.js';
import { BoundToDatabases, DatabaseNotFound } from './databases.errors.js';
import { DatabasesRepository } from './databases.repository.js';
import type { CreateDatabaseDto, DatabaseDto } from './dto/database.dto.js';
import { IndexSettingsChoice } from './index-settings.service.js';

/** The first of the two things that make a database. */
const ROW = 'row';

/** How a database begins, with its collection on its server. */
@Injectable()
export class DatabaseCreation {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesRepository,
    private readonly rows: DatabaseRows,
    private readonly collections: DatabaseCollections,
    private readonly choice: IndexSettingsChoice,
    private readonly overviews: DatabaseOverviews,
  ) {}

  /**
   * The row comes first and goes again when its collection cannot be made.
   * @throws BoundToDatabases, DatabaseServerNotFound, DatabaseServerInactive, DatabaseNameTaken, QuotaExceeded, VectorStoreUnavailable, and what the settings are refused with
   */
  async create(principal: Principal, dto: CreateDatabaseDto): Promise<DatabaseDto> {
    if (principal.databaseIds !== null) throw new BoundToDatabases();
    const { tenantId } = principal;
    // A retry after a crash goes on from the row that is there.
    const { id } = await asPart(ROW, () => this.insert(principal, dto));
    const database = await this.transactions.forTenant(tenantId, (tx) => this.find(tx, id));
    try {
      await this.collections.ensure(database);
    } catch (error) {
      await this.transactions.forTenant(tenantId, async (tx) => {
        await this.rows.remove(tx, database);
        await forgetPart(tx, ROW);
      });
      throw error;
    }
    // The row may have gone meanwhile, with its whole tenant even, and whoever removed it found no collection yet.
    if (await this.collections.dropUnlessUsed(database)) throw new DatabaseNotFound();
    return this.transactions.forTenant(tenantId, async (tx) => keepAnswer(tx, await this.overviews.find(tx, id)));
  }

  private async insert(principal: Principal, dto: CreateDatabaseDto): Promise<{ id: string }> {
    const { tenantId, userId } = principal;
    const id = uuidv7();
    const server = await this.transactions.forTenant(tenantId, (tx) => this.rows.serverFor(tx, dto.server_id));
    const settings = await this.choice.choose(id, { tenantId, serverId: server.id, serverType: server.type }, dto, null);
    return this.transactions.forTenant(tenantId, async (tx) => {
      const chunking = { chunkSize: dto.chunk_size ?? null, chunkOverlap: dto.chunk_overlap ?? null, chunkingStrategy: dto.chunking_strategy ?? null };
      this.rows.requireChunking(chunking);
      await this.rows.insert(tx, userId, id, server, { ...settings, ...chunking, name: dto.name, description: dto.description ?? null });
      return keepAnswer(tx, { id });
    });
  }

  private async find(tx: TenantTx, id: string): Promise<DatabaseEntity> {
    const database = await this.databases.findById(tx, id);
    if (!database) throw new DatabaseNotFound();
    return database;
  }
}
