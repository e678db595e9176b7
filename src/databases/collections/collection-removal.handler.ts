import { Injectable } from '@nestjs/common';
import type { TaskHandler } from '../../jobs/job-handler.js';
import { JobsService } from '../../jobs/jobs.service.js';
import type { TenantTx } from '../../persistence/transactions.js';
import type { ServerType } from '../servers/database-server.entity.js';
import type { CollectionPlace } from './collections.service.js';
import { DatabaseCollections, DROP_COLLECTIONS } from './database-collections.service.js';
import { DatabaseServerNotFound } from '../databases.errors.js';

/** Drops collections that no database has any more, and repeats that until it is done. */
@Injectable()
export class CollectionRemoval implements TaskHandler {
  readonly name = DROP_COLLECTIONS;

  constructor(
    private readonly jobs: JobsService,
    private readonly collections: DatabaseCollections,
  ) {}

  /** In the transaction after which nobody reads them. */
  async schedule(tx: TenantTx, { serverId, serverType, collectionName }: Omit<CollectionPlace, 'generation'>, generations: readonly number[], delaySeconds = 0): Promise<void> {
    await this.jobs.enqueueTask(tx, this, { serverId, serverType, collectionName, generations: generations.join(' ') }, delaySeconds);
  }

  async run(data: Record<string, string>): Promise<void> {
    const { tenantId, serverId, serverType, collectionName, generations } = data as { tenantId: string; serverId: string; serverType: ServerType; collectionName: string; generations: string };
    for (const generation of generations.split(' ').map(Number)) {
      try {
        await this.collections.dropUnlessUsed({ tenantId, serverId, serverType, collectionName, generation });
      } catch (error) {
        // Nothing can be reached there any more.
        if (!(error instanceof DatabaseServerNotFound)) throw error;
      }
    }
  }
}
