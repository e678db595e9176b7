import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Cursors, pageOf, type PageQueryDto } from '../common/pagination.js';
import type { Principal } from '../common/principal.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { Collections } from './collections.service.js';
import type { DatabaseEntity } from './database.entity.js';
import { BoundToDatabases, DatabaseNotFound } from './databases.errors.js';
import { DatabasesRepository } from './databases.repository.js';
import { DatabasesService, mayUse } from './databases.service.js';
import { CollectionDto, DatabaseDto, type CollectionsDto, type CreateDatabaseDto, type DatabaseListDto } from './dto/database.dto.js';
import { DatabaseRows } from './database-rows.js';

/** What people do with their databases. */
@Injectable()
export class DatabaseAdministration {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesRepository,
    private readonly rows: DatabaseRows,
    private readonly questions: DatabasesService,
    private readonly collections: Collections,
    private readonly cursors: Cursors,
  ) {}

  /** The row comes first and goes again when its collection cannot be made. */
  async create(principal: Principal, dto: CreateDatabaseDto): Promise<DatabaseDto> {
    if (principal.databaseIds !== null) throw new BoundToDatabases();
    const id = uuidv7();
    const database = await this.transactions.forTenant(principal.tenantId, async (tx) => {
      await this.rows.insert(tx, principal.userId, id, await this.rows.embeddedServer(tx), { ...this.rows.standardSettings(), name: dto.name, description: dto.description ?? null });
      return this.find(tx, principal, id);
    });
    try {
      await (await this.collections.of(database)).ensure();
    } catch (error) {
      await this.transactions.forTenant(principal.tenantId, (tx) => this.rows.remove(tx, id));
      throw error;
    }
    // The row may have gone meanwhile, with its whole tenant even, and whoever removed it found no collection yet.
    if (await this.questions.dropUnlessUsed(database)) throw new DatabaseNotFound();
    return this.get(principal, id);
  }

  async list(principal: Principal, query: PageQueryDto): Promise<DatabaseListDto> {
    const scope = `databases ${principal.tenantId}`;
    const before = this.cursors.decode(query.cursor, scope);
    const rows = await this.transactions.forTenant(principal.tenantId, (tx) =>
      this.databases.listNewestFirst(tx, { limit: query.limit + 1, before, ids: principal.databaseIds }),
    );
    const page = pageOf(rows, query.limit);
    return { databases: page.rows.map((row) => DatabaseDto.from(row)), ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  async listCollections(principal: Principal): Promise<CollectionsDto> {
    const rows = await this.transactions.forTenant(principal.tenantId, (tx) =>
      this.databases.listNewestFirst(tx, { limit: 1000, before: null, ids: principal.databaseIds }),
    );
    return { collections: rows.map((row) => row.collectionName), details: rows.map((row) => CollectionDto.from(row)) };
  }

  get(principal: Principal, id: string): Promise<DatabaseDto> {
    if (!mayUse(principal, id)) throw new DatabaseNotFound();
    return this.transactions.forTenant(principal.tenantId, (tx) => this.overview(tx, id));
  }

  /** @throws DatabaseInUse while it holds documents */
  async remove(principal: Principal, id: string): Promise<void> {
    const removed = await this.transactions.forTenant(principal.tenantId, async (tx) => {
      const database = await this.find(tx, principal, id);
      // Of several at once only the one that removed the row may drop the collection: by then its name may be in use again.
      if (!(await this.rows.remove(tx, id))) throw new DatabaseNotFound();
      return database;
    });
    await (await this.collections.of(removed)).drop();
  }

  private async find(tx: TenantTx, principal: Principal, id: string): Promise<DatabaseEntity> {
    const database = mayUse(principal, id) && (await this.databases.findById(tx, id));
    if (!database) throw new DatabaseNotFound();
    return database;
  }

  private async overview(tx: TenantTx, id: string): Promise<DatabaseDto> {
    const database = await this.databases.findOverview(tx, id);
    if (!database) throw new DatabaseNotFound();
    return DatabaseDto.from(database);
  }
}
