import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Cursors, pageOf, type PageQueryDto } from '../common/pagination.js';
import type { Principal } from '../common/principal.js';
import { Embedder } from '../embeddings/embedder.js';
import { violates } from '../persistence/postgres-errors.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { QuotasService } from '../tenancy/quotas.service.js';
import type { DatabaseEntity } from './database.entity.js';
import { BoundToDatabases, DatabaseInUse, DatabaseNameTaken, DatabaseNotFound, EmbeddingModelChanged } from './databases.errors.js';
import { DatabasesRepository } from './databases.repository.js';
import { CollectionDto, DatabaseDto, type CollectionsDto, type CreateDatabaseDto, type DatabaseListDto } from './dto/database.dto.js';
import { VectorStore } from './vector-stores/vector-store.js';

/** How a request names a database; neither is the tenant's default one, or else the person's. */
export interface DatabaseReference {
  database_id?: string;
  database?: string;
}

const mayUse = (principal: Principal, id: string): boolean => principal.databaseIds === null || principal.databaseIds.includes(id);

/** A tenant's databases, each with a collection `user_{user}_{name}` of its own. */
@Injectable()
export class DatabasesService {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesRepository,
    private readonly quotas: QuotasService,
    private readonly embedder: Embedder,
    private readonly store: VectorStore,
    private readonly cursors: Cursors,
  ) {}

  /** Part of registering: the built-in server and the database `default`. */
  async createFirst(tx: TenantTx, userId: string): Promise<void> {
    await this.databases.insertServer(tx, { id: uuidv7(), name: 'embedded', type: 'EMBEDDED' });
    await this.insert(tx, userId, { name: 'default', description: 'Where documents go unless they name another database' });
  }

  /** The row comes first and goes again when its collection cannot be made. */
  async create(principal: Principal, dto: CreateDatabaseDto): Promise<DatabaseDto> {
    if (principal.databaseIds !== null) throw new BoundToDatabases();
    const database = await this.transactions.forTenant(principal.tenantId, async (tx) => {
      const id = await this.insert(tx, principal.userId, dto);
      return this.overview(tx, id);
    });
    try {
      await this.store.ensureCollection(database.collection_name, { dimensions: database.dimensions });
    } catch (error) {
      await this.transactions.forTenant(principal.tenantId, (tx) => this.removeRow(tx, database.id));
      throw error;
    }
    // The row may have gone meanwhile, with its whole tenant even, and whoever removed it found no collection yet.
    if (await this.dropUnlessUsed(principal.tenantId, database.collection_name)) throw new DatabaseNotFound();
    return database;
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

  async collections(principal: Principal): Promise<CollectionsDto> {
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
    if (!mayUse(principal, id)) throw new DatabaseNotFound();
    const removed = await this.transactions.forTenant(principal.tenantId, async (tx) => {
      const database = await this.databases.findById(tx, id);
      // Of several at once only the one that removed the row may drop the collection: by then its name may be in use again.
      if (!database || !(await this.removeRow(tx, id))) throw new DatabaseNotFound();
      return database;
    });
    await this.store.dropCollection(removed.collectionName);
  }

  /** @throws DatabaseNotFound also for one that a key is not bound to */
  async resolve(tx: TenantTx, principal: Principal, reference: DatabaseReference): Promise<DatabaseEntity> {
    const database = await this.lookUp(tx, principal, reference);
    if (!database || !mayUse(principal, database.id)) throw new DatabaseNotFound();
    this.requireModel(database);
    return database;
  }

  /** @throws EmbeddingModelChanged before vectors of two models meet */
  requireModel(database: Pick<DatabaseEntity, 'embeddingModel'>): void {
    if (database.embeddingModel !== this.embedder.model) throw new EmbeddingModelChanged(database.embeddingModel, this.embedder.model);
  }

  /** Every database the principal may use. */
  async usable(tx: TenantTx, principal: Principal): Promise<DatabaseEntity[]> {
    const all = await this.databases.findAll(tx);
    return all.filter((database) => mayUse(principal, database.id));
  }

  findById(tx: TenantTx, id: string): Promise<DatabaseEntity | null> {
    return this.databases.findById(tx, id);
  }

  /** For whoever made a collection that may have lost its database meanwhile. True when it was dropped. */
  async dropUnlessUsed(tenantId: string, collectionName: string): Promise<boolean> {
    if (await this.transactions.forTenant(tenantId, (tx) => this.databases.hasCollection(tx, collectionName))) return false;
    await this.store.dropCollection(collectionName);
    return true;
  }

  private lookUp(tx: TenantTx, principal: Principal, reference: DatabaseReference): Promise<DatabaseEntity | null> {
    if (reference.database_id !== undefined) return this.databases.findById(tx, reference.database_id);
    if (reference.database !== undefined) return this.databases.findByName(tx, reference.database);
    return this.databases.findDefault(tx, principal.userId);
  }

  private async insert(tx: TenantTx, userId: string, dto: CreateDatabaseDto): Promise<string> {
    const server = await this.databases.findServer(tx, 'EMBEDDED');
    if (!server) throw new Error(`tenant ${tx.tenantId} has no embedded server`);
    const id = uuidv7();
    const collectionName = `user_${userId}_${dto.name}`;
    try {
      await this.databases.insert(tx, { id, serverId: server.id, ...dto, collectionName, embeddingModel: this.embedder.model, dimensions: this.embedder.dimensions });
    } catch (error) {
      if (violates(error, 'databases_name')) throw new DatabaseNameTaken(dto.name);
      throw error;
    }
    await this.quotas.take(tx, { databases: 1 });
    return id;
  }

  private async removeRow(tx: TenantTx, id: string): Promise<boolean> {
    try {
      if (!(await this.databases.remove(tx, id))) return false;
      await this.quotas.giveBack(tx, { databases: 1 });
      return true;
    } catch (error) {
      if (violates(error, 'documents_database')) throw new DatabaseInUse();
      throw error;
    }
  }

  private async overview(tx: TenantTx, id: string): Promise<DatabaseDto> {
    const database = await this.databases.findOverview(tx, id);
    if (!database) throw new DatabaseNotFound();
    return DatabaseDto.from(database);
  }
}
