import { Injectable } from '@nestjs/common';
import { JobsService } from '../../jobs/jobs.service.js';
import { backupRuns, PUT_OFF_SECONDS } from '../../persistence/backup-lock.js';
import { Transactions } from '../../persistence/transactions.js';
import type { Collection } from './collection.js';
import { Collections, type CollectionPlace, type DatabasePlace } from './collections.service.js';
import { DatabasesRepository } from '../databases.repository.js';
import { settingsOf } from '../reindexes/reindex.entity.js';
import { ReindexesRepository } from '../reindexes/reindexes.repository.js';

/** The task that drops what no database has any more (`CollectionRemoval`). */
export const DROP_COLLECTIONS = 'drop-collections';

/** The collections of databases as these come and go. */
@Injectable()
export class DatabaseCollections {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesRepository,
    private readonly reindexes: ReindexesRepository,
    private readonly collections: Collections,
    private readonly jobs: JobsService,
  ) {}

  /**
   * Every collection in which a database may have vectors: the one that is read, and during a reindex the one that is being made. None when the
   * database is gone, and its collections with it.
   */
  async ofDatabase(tenantId: string, databaseId: string): Promise<Collection[]> {
    const places = await this.transactions.forTenant(tenantId, async (tx) => {
      const database = await this.databases.findEvenDeleted(tx, databaseId);
      if (!database) return [];
      const reindex = await this.reindexes.findRunning(tx, databaseId);
      return reindex ? [database, { ...database, ...settingsOf(reindex) }] : [database];
    });
    return Promise.all(places.map((place) => this.collections.of(place)));
  }

  of(place: DatabasePlace): Promise<Collection> {
    return this.collections.of(place);
  }

  async ensure(place: DatabasePlace): Promise<void> {
    await (await this.collections.of(place)).ensure();
  }

  /**
   * For whoever made a collection that may have lost its database meanwhile, or whose database has another by now. True when nobody uses it: it
   * was dropped, or will be once the backup has ended that is being made.
   */
  async dropUnlessUsed(place: CollectionPlace): Promise<boolean> {
    const { tenantId, serverId, serverType, collectionName, generation } = place;
    const found = await this.transactions.forTenant(tenantId, async (tx) => {
      if (await this.databases.hasCollection(tx, place)) return 'used';
      if (!(await backupRuns(tx))) return 'unused';
      await this.jobs.enqueueTask(tx, { name: DROP_COLLECTIONS }, { serverId, serverType, collectionName, generations: String(generation) }, PUT_OFF_SECONDS);
      return 'put off';
    });
    if (found === 'unused') await this.collections.drop(place);
    return found !== 'used';
  }
}
