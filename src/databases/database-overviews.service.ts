import { Injectable } from '@nestjs/common';
import { Cursors, pageOf, type PageQueryDto } from '../common/pagination.js';
import type { Principal } from '../common/principal.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { DatabaseNotFound } from './databases.errors.js';
import { DatabasesRepository } from './databases.repository.js';
import { mayUse } from './databases.service.js';
import { CollectionDto, DatabaseDto, type CollectionsDto, type DatabaseListDto } from './dto/database.dto.js';

/** Databases as people see them, beside what they hold. */
@Injectable()
export class DatabaseOverviews {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesRepository,
    private readonly cursors: Cursors,
  ) {}

  async list(principal: Principal, query: PageQueryDto): Promise<DatabaseListDto> {
    const scope = `databases ${principal.tenantId}`;
    const before = this.cursors.decode(query.cursor, scope);
    const rows = await this.transactions.forTenantReading(principal.tenantId, (tx) =>
      this.databases.listNewestFirst(tx, { limit: query.limit + 1, before, ids: principal.databaseIds }),
    );
    const page = pageOf(rows, query.limit);
    return { databases: page.rows.map((row) => DatabaseDto.from(row)), ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  async listCollections(principal: Principal): Promise<CollectionsDto> {
    const rows = await this.transactions.forTenantReading(principal.tenantId, (tx) =>
      this.databases.listNewestFirst(tx, { limit: 1000, before: null, ids: principal.databaseIds }),
    );
    return { collections: rows.map((row) => row.collectionName), details: rows.map((row) => CollectionDto.from(row)) };
  }

  get(principal: Principal, id: string): Promise<DatabaseDto> {
    if (!mayUse(principal, id)) throw new DatabaseNotFound();
    return this.transactions.forTenant(principal.tenantId, (tx) => this.find(tx, id));
  }

  /** @throws DatabaseNotFound */
  async find(tx: TenantTx, id: string): Promise<DatabaseDto> {
    const database = await this.databases.findOverview(tx, id);
    if (!database) throw new DatabaseNotFound();
    return DatabaseDto.from(database);
  }
}
