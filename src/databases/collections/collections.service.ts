import { Injectable } from '@nestjs/common';
import { Collection } from './collection.js';
import type { DatabaseEntity } from '../database.entity.js';
import { VectorStoreMetrics } from './vector-store.metrics.js';
import { VectorStores } from './vector-stores.service.js';

/** Where a collection is. */
export type CollectionPlace = Pick<DatabaseEntity, 'tenantId' | 'serverId' | 'serverType' | 'collectionName' | 'generation'>;

/** Where a database's vectors are, and what they are like. */
export type DatabasePlace = CollectionPlace & Pick<DatabaseEntity, 'dimensions' | 'distance'>;

const LENGTH_OF_OWNER = 'user_'.length + 36 + '_'.length;

/**
 * What the server calls a collection: its own name, until a reindex makes another. Names of databases never begin with a hyphen, so that of
 * a later generation is no other database's; and it begins with its owner's, as all do.
 */
export function physicalName(collectionName: string, generation: number): string {
  if (generation === 1) return collectionName;
  return `${collectionName.slice(0, LENGTH_OF_OWNER)}-${generation}-${collectionName.slice(LENGTH_OF_OWNER)}`;
}

/** Finds the collection of a database on its server. */
@Injectable()
export class Collections {
  constructor(
    private readonly stores: VectorStores,
    private readonly metrics: VectorStoreMetrics,
  ) {}

  async drop(place: CollectionPlace): Promise<void> {
    const store = await this.stores.of(place);
    await this.metrics.time(place.serverType, 'drop', () => store.dropCollection(physicalName(place.collectionName, place.generation)));
  }

  /** @throws DatabaseServerNotFound, DatabaseServerInactive */
  async of(place: DatabasePlace): Promise<Collection> {
    const { collectionName, generation, dimensions, distance } = place;
    return new Collection(await this.stores.of(place), physicalName(collectionName, generation), { dimensions, distance }, (operation, work) => this.metrics.time(place.serverType, operation, work));
  }
}
