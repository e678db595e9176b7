import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { Embedders } from '../embeddings/embedders.js';
import type { TenantTx } from '../persistence/transactions.js';
import type { DatabaseEntity } from './database.entity.js';
import { CollectionReplaced, DatabaseNotFound, EmbeddingModelChanged } from './databases.errors.js';
import { DatabasesRepository } from './databases.repository.js';

/** How a request names a database; neither is the tenant's default one, or else the person's. */
export interface DatabaseReference {
  database_id?: string;
  database?: string;
}

export const mayUse = (principal: Principal, id: string): boolean => principal.databaseIds === null || principal.databaseIds.includes(id);

/** What other modules ask about a tenant's databases. */
@Injectable()
export class DatabasesService {
  constructor(
    private readonly databases: DatabasesRepository,
    private readonly embedders: Embedders,
  ) {}

  /** @throws DatabaseNotFound also for one that a key is not bound to; EmbeddingModelChanged */
  async resolve(tx: TenantTx, principal: Principal, reference: DatabaseReference): Promise<DatabaseEntity> {
    const database = await this.find(tx, principal, reference);
    if (!database) throw new DatabaseNotFound();
    this.requireModel(database);
    return database;
  }

  /** Null also for one that a key is not bound to. */
  async find(tx: TenantTx, principal: Principal, reference: DatabaseReference): Promise<DatabaseEntity | null> {
    const database = await this.lookUp(tx, principal, reference);
    return database && mayUse(principal, database.id) ? database : null;
  }

  /** @throws EmbeddingModelChanged before vectors of two models meet */
  requireModel({ embeddingProvider, embeddingModel, dimensions }: Pick<DatabaseEntity, 'embeddingProvider' | 'embeddingModel' | 'dimensions'>): void {
    const { standard } = this.embedders;
    if (embeddingProvider === null && (embeddingModel !== standard.model || dimensions !== standard.dimensions)) throw new EmbeddingModelChanged(embeddingModel, standard.model);
  }

  /**
   * Until the transaction ends the database keeps the collection it has, which is the one that was written to.
   * @throws CollectionReplaced
   */
  async requireGeneration(tx: TenantTx, { id, generation }: Pick<DatabaseEntity, 'id' | 'generation'>): Promise<void> {
    await this.databases.holdGeneration(tx, id);
    const database = await this.databases.findEvenDeleted(tx, id);
    if (database?.generation !== generation) throw new CollectionReplaced();
  }

  /** Every database the principal may use. */
  async usable(tx: TenantTx, principal: Principal): Promise<DatabaseEntity[]> {
    const all = await this.databases.findAll(tx);
    return all.filter((database) => mayUse(principal, database.id));
  }

  findById(tx: TenantTx, id: string): Promise<DatabaseEntity | null> {
    return this.databases.findById(tx, id);
  }

  /** The row of one that was hidden, as soon as no document refers to it any more. Whether it is gone. */
  forget(tx: TenantTx, id: string): Promise<boolean> {
    return this.databases.forget(tx, id);
  }

  private lookUp(tx: TenantTx, principal: Principal, reference: DatabaseReference): Promise<DatabaseEntity | null> {
    if (reference.database_id !== undefined) return this.databases.findById(tx, reference.database_id);
    if (reference.database !== undefined) return this.databases.findByName(tx, reference.database);
    return this.databases.findDefault(tx, principal.userId);
  }
}
