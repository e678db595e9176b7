import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Embedders } from '../embeddings/embedders.js';
import { violates } from '../persistence/postgres-errors.js';
import type { TenantTx } from '../persistence/transactions.js';
import { QuotasService } from '../tenancy/quotas.service.js';
import { DatabaseServersRepository } from './database-servers.repository.js';
import type { DatabaseEntity } from './database.entity.js';
import type { DatabaseServerEntity } from './database-server.entity.js';
import { DatabaseInUse, DatabaseNameTaken } from './databases.errors.js';
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

  async embeddedServer(tx: TenantTx): Promise<DatabaseServerEntity> {
    const server = await this.servers.findEmbedded(tx);
    if (!server) throw new Error(`tenant ${tx.tenantId} has no embedded server`);
    return server;
  }

  /** @throws DatabaseNameTaken, QuotaExceeded */
  async insert(tx: TenantTx, userId: string, id: string, server: Pick<DatabaseServerEntity, 'id' | 'type'>, settings: DatabaseSettings): Promise<void> {
    const collectionName = `user_${userId}_${settings.name}`;
    try {
      await this.databases.insert(tx, { id, serverId: server.id, serverType: server.type, collectionName, ...settings });
    } catch (error) {
      if (violates(error, 'databases_name')) throw new DatabaseNameTaken(settings.name);
      throw error;
    }
    await this.quotas.take(tx, { databases: 1 });
  }
  /** Whether it was there. @throws DatabaseInUse while it holds documents */
  async remove(tx: TenantTx, id: string): Promise<boolean> {
    try {
      if (!(await this.databases.remove(tx, id))) return false;
      await this.quotas.giveBack(tx, { databases: 1 });
      return true;
    } catch (error) {
      if (violates(error, 'documents_database')) throw new DatabaseInUse();
      throw error;
    }
  }
}
