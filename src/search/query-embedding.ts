import { Injectable } from '@nestjs/common';
import type { DatabaseEntity } from '../databases/database.entity.js';
import { DatabasesService } from '../databases/databases.service.js';
import { embeddingOf } from '../databases/embedding-choice.js';
import { EmbeddingFailed, type Embedder } from '../embeddings/embedder.js';
import { Embedders } from '../embeddings/embedders.js';
import { QueryNotEmbedded } from './search.errors.js';

/** A person waits for it; documents have more time. */
const PATIENCE_MS = 10_000;

/** The vector of a query for each database, asked for once a model. */
@Injectable()
export class QueryEmbedding {
  constructor(
    private readonly databases: DatabasesService,
    private readonly embedders: Embedders,
  ) {}

  /** @returns a function that answers the vector for a database; it throws EmbeddingModelChanged, QueryNotEmbedded */
  of(query: string): (database: DatabaseEntity) => Promise<Float32Array> {
    const vectors = new Map<unknown, Promise<Float32Array>>();
    return async (database) => {
      this.databases.requireModel(database);
      // Clients are kept, so databases with one endpoint, key and model share one.
      const embedder = await this.embedders.of(embeddingOf(database));
      const known = vectors.get(embedder) ?? this.embed(embedder, query);
      vectors.set(embedder, known);
      return known;
    };
  }

  private async embed(embedder: Embedder, query: string): Promise<Float32Array> {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    try {
      return await embedder.embedQuery(query, patience);
    } catch (error) {
      if (patience.aborted) throw new QueryNotEmbedded(new EmbeddingFailed('timeout', false, 'The embedding server did not answer in time.', error));
      throw error instanceof EmbeddingFailed ? new QueryNotEmbedded(error) : error;
    }
  }
}
