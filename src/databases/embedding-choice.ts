import type { EmbeddingChoice } from '../embeddings/embedders.js';
import type { DatabaseEntity } from './database.entity.js';

/** Where the key of a database's embedding endpoint is sealed. */
export const embeddingKeyPlace = (databaseId: string): string => `databases/${databaseId}/embedding_api_key`;

/** Which model a database's vectors come from. */
export function embeddingOf(database: Pick<DatabaseEntity, 'id' | 'tenantId' | 'embeddingProvider' | 'embeddingModel' | 'dimensions' | 'embeddingUrl' | 'embeddingApiKey'>): EmbeddingChoice {
  const { id, tenantId, embeddingProvider, embeddingModel, dimensions, embeddingUrl, embeddingApiKey } = database;
  return { provider: embeddingProvider, model: embeddingModel, dimensions, url: embeddingUrl, apiKey: embeddingApiKey, place: embeddingKeyPlace(id), tenantId };
}
