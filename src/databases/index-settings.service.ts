import { Injectable } from '@nestjs/common';
import { ValidationFailed } from '../common/request-errors.js';
import { Sealer } from '../common/sealer.js';
import { Embedders } from '../embeddings/embedders.js';
import type { DatabaseEntity } from './database.entity.js';
import { DimensionsNotSupported, DistanceNotSupported } from './databases.errors.js';
import type { UpdateDatabaseDto } from './dto/database.dto.js';
import type { IndexSettingsDto } from './dto/database-settings.dto.js';
import { embeddingKeyPlace } from './embedding-choice.js';
import type { IndexSettings } from './reindexes/reindex.entity.js';
import { VectorStores, type ServerReference } from './collections/vector-stores.service.js';

export type ChosenSettings = Omit<IndexSettings, 'generation'>;

/** Turns what somebody asks for into what a database can have, before anything is made. */
@Injectable()
export class IndexSettingsChoice {
  constructor(
    private readonly embedders: Embedders,
    private readonly stores: VectorStores,
    private readonly sealer: Sealer,
  ) {}

  /**
   * @param present what holds for all that is not named, when the database is there
   * @throws ValidationFailed, UrlNotAllowed, DimensionsNotSupported, DistanceNotSupported, and what VectorStores throws for a server
   */
  async choose(databaseId: string, server: ServerReference, dto: IndexSettingsDto, present: DatabaseEntity | null): Promise<ChosenSettings> {
    const embedding = await this.embedding(databaseId, dto, present);
    const distance = dto.distance ?? present?.distance ?? 'cosine';
    const { distances, maxDimensions } = (await this.stores.of(server)).capacities;
    if (!distances.includes(distance)) throw new DistanceNotSupported(distance, distances);
    if (embedding.dimensions > maxDimensions) throw new DimensionsNotSupported(embedding.dimensions, maxDimensions);
    return { ...embedding, distance };
  }

  /**
   * What changes when the same model answers at another address, or to another key. Null when nothing does.
   * @throws ValidationFailed, UrlNotAllowed
   */
  async changeEndpoint(database: DatabaseEntity, { embedding_url: url, embedding_api_key: key }: Pick<UpdateDatabaseDto, 'embedding_url' | 'embedding_api_key'>): Promise<Pick<DatabaseEntity, 'embeddingUrl' | 'embeddingApiKey'> | null> {
    if (url === undefined && key === undefined) return null;
    const named = { ...(url === undefined ? {} : { embedding_url: url }), ...(typeof key === 'string' ? { embedding_api_key: key } : {}) };
    const { embeddingUrl, embeddingApiKey } = await this.embedding(database.id, named, database);
    return { embeddingUrl, embeddingApiKey: key === null ? null : embeddingApiKey };
  }

  private async embedding(databaseId: string, dto: IndexSettingsDto, present: DatabaseEntity | null): Promise<Omit<ChosenSettings, 'distance'>> {
    const wanted = dto.embedding_provider ?? present?.embeddingProvider ?? 'default';
    // Of another provider nothing of the present one holds.
    const kept = present?.embeddingProvider === wanted ? present : null;
    const model = dto.embedding_model ?? kept?.embeddingModel;
    // Another model has other dimensions.
    const dimensions = dto.dimensions ?? (model === kept?.embeddingModel ? kept?.dimensions : undefined);
    const asked = { model, dimensions, url: dto.embedding_url ?? kept?.embeddingUrl ?? undefined };
    const chosen = await this.embedders.choose({ ...(wanted === 'default' ? {} : { provider: wanted }), ...withoutUndefined(asked) });
    if (dto.embedding_api_key !== undefined && chosen.provider !== 'openai') {
      throw new ValidationFailed([{ field: 'embedding_api_key', message: 'embedding_api_key belongs to embedding_provider "openai" only' }]);
    }
    // A key is for the endpoint it was given for, and sent to no other.
    const keptKey = kept?.embeddingUrl === chosen.url ? (kept?.embeddingApiKey ?? null) : null;
    return {
      embeddingProvider: chosen.provider,
      embeddingModel: chosen.model,
      dimensions: chosen.dimensions,
      embeddingUrl: chosen.url,
      embeddingApiKey: dto.embedding_api_key === undefined ? keptKey : this.sealer.seal(dto.embedding_api_key, embeddingKeyPlace(databaseId)),
    };
  }
}

function withoutUndefined<T extends object>(value: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}
