import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Embedders } from '../embeddings/embedders.js';
import { violates } from '../persistence/postgres-errors.js';
import type { TenantTx } from '../persistence/transactions.js';
import { QuotasService } from '../tenancy/quotas.service.js';
import { CollectionRemoval } from './collections/collection-removal.handler.js';
import { DatabaseServersRepository } from './servers/database-servers.repository.js';
import type { DatabaseEntity } from './database.entity.js';
import type { DatabaseServerEntity } from './servers/database-server.entity.js';
import { DatabaseInUse, DatabaseNameTaken, DatabaseServerInactive, DatabaseServerNotFound, InvalidDatabaseChunking } from './databases.errors.js';
import { DatabasesRepository } from './databases.repository.js';

/** What makes a database, besides what follows from it. */
export type DatabaseSettings = Pick<DatabaseEntity, 'name' | 'description' | 'embeddingProvider' | 'embeddingModel' | 'dimensions' | 'embeddingUrl' | 'embeddingApiKey' | 'distance' | 'chunkSize' | 'chunkOverlap' | 'chunkingStrategy'>;

/** How databases begin and end, with what they take of the quota. */
@Injectable()
export class DatabaseRows {
  constructor(
    private readonly databases: DatabasesRepository,
    private readonly servers: DatabaseServersRepository,
    private readonly quotas: QuotasService,
    private readonly embedders: Embedders,
    private readonly removal: CollectionRemoval,
  ) {}

  /** Part of registering: the built-in server and the database `default`. */
  async createFirst(tx: TenantTx, userId: string): Promise<void> {
    const server = { id: uuidv7(), name: 'embedded', type: 'EMBEDDED' } as const;
    await this.servers.insert(tx, server);
    await this.insert(tx, userId, uuidv7(), server, { name: 'default', description: 'Where documents go unless they name another database', ...this.standardSettings() });
  }

  /** With the model of the installation, and cut as the tenant's documents are. */
  standardSettings(): Omit<DatabaseSettings, 'name' | 'description'> {
    const { model, dimensions } = this.embedders.standard;
    return { embeddingProvider: null, embeddingModel: model, dimensions, embeddingUrl: null, embeddingApiKey: null, distance: 'cosine', chunkSize: null, chunkOverlap: null, chunkingStrategy: null };
  }

  /** The built-in one unless another is named. @throws DatabaseServerNotFound, DatabaseServerInactive */
  async serverFor(tx: TenantTx, id: string | undefined): Promise<DatabaseServerEntity> {
    const server = await (id === undefined ? this.servers.findEmbedded(tx) : this.servers.findById(tx, id));
    if (!server) throw new DatabaseServerNotFound();
    if (!server.isActive) throw new DatabaseServerInactive(server.name);
    return server;
  }

  /** @throws DatabaseNameTaken, QuotaExceeded */
  async insert(tx: TenantTx, userId: string, id: string, server: Pick<DatabaseServerEntity, 'id' | 'type'>, settings: DatabaseSettings): Promise<void> {
    const collectionName = `user_${userId}_${settings.name}`;
    try {
      await this.databases.insert(tx, { id, serverId: server.id, serverType: server.type, collectionName, ...settings });
    } catch (error) {
      if (violates(error, 'databases_name')) throw new DatabaseNameTaken(settings.name);
      // The server was deleted since it was looked up.
      if (violates(error, 'databases_server_type') || violates(error, 'databases_tenant_id_server_id_fkey')) throw new DatabaseServerNotFound();
      throw error;
    }
    await this.quotas.take(tx, { databases: 1 });
  }
  /** Hides it from everybody at once, whatever it holds. Whether it was there. */
  async hide(tx: TenantTx, database: DatabaseEntity): Promise<boolean> {
    return (await this.databases.hide(tx, database.id)) && (await this.end(tx, database));
  }

  /** Whether it was there. @throws DatabaseInUse while it holds documents */
  async remove(tx: TenantTx, database: DatabaseEntity): Promise<boolean> {
    try {
      return (await this.databases.remove(tx, database.id)) && (await this.end(tx, database));
    } catch (error) {
      if (violates(error, 'documents_database')) throw new DatabaseInUse();
      throw error;
    }
  }

  /** A new one may have its name soon, and then keeps what is its own. */
  private async end(tx: TenantTx, database: DatabaseEntity): Promise<true> {
    await this.quotas.giveBack(tx, { databases: 1 });
    await this.removal.schedule(tx, database, Array.from({ length: database.lastGeneration }, (_, at) => at + 1));
    return true;
  }

  /**
   * What is not named is the tenant's, which may change: so uploads are checked again.
   * @throws InvalidDatabaseChunking
   */
  requireChunking({ chunkSize, chunkOverlap }: Pick<DatabaseEntity, 'chunkSize' | 'chunkOverlap'>): void {
    if (chunkSize !== null && chunkOverlap !== null && chunkOverlap >= chunkSize) throw new InvalidDatabaseChunking(chunkSize, chunkOverlap);
  }
}
