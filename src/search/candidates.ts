import { Injectable } from '@nestjs/common';
import { AppError } from '../common/errors.js';
import { Collections } from '../databases/collections/collections.service.js';
import type { DatabaseEntity } from '../databases/database.entity.js';
import { DatabaseServerInactive, DatabaseServerNotFound, EmbeddingModelChanged } from '../databases/databases.errors.js';
import { KeywordNotSupported, VectorStoreUnavailable } from '../databases/vector-stores/vector-store.errors.js';
import type { VectorHit, VectorQuery } from '../databases/vector-stores/vector-store.js';
import { QueryEmbedding } from './query-embedding.js';
import { QueryNotEmbedded } from './search.errors.js';

/** What a store found in one database, best first. */
export interface CandidateList {
  database: DatabaseEntity;
  hits: VectorHit[];
}

/** Something that the answer is without. */
export interface SearchWarning {
  code: string;
  message: string;
  databaseId?: string;
}

export type CandidateQuery = Omit<VectorQuery, 'vector'>;

/** What keeps one database from answering, and is no fault of the others. */
const LEAVES_OUT = [VectorStoreUnavailable, QueryNotEmbedded, EmbeddingModelChanged, KeywordNotSupported, DatabaseServerInactive, DatabaseServerNotFound];

/** The databases of one search, asked as often as it takes. */
export class Candidates {
  readonly warnings = new Map<string, SearchWarning>();
  private readonly left: Set<DatabaseEntity>;

  constructor(
    databases: readonly DatabaseEntity[],
    private readonly collections: Collections,
    private readonly vectorFor: (database: DatabaseEntity) => Promise<Float32Array>,
  ) {
    this.left = new Set(databases);
  }

  /**
   * Asks all that have answered until now. One that cannot is left out from then on, with a warning.
   * @throws AppError of the first, when none can
   */
  async ask(query: CandidateQuery): Promise<CandidateList[]> {
    const answers = await Promise.all([...this.left].map(async (database) => ({ database, answer: await this.askOne(database, query) })));
    const failures = answers.flatMap(({ database, answer }) => (answer instanceof AppError ? [{ database, error: answer }] : []));
    if (failures.length > 0 && failures.length === answers.length) throw failures[0]!.error;
    for (const { database, error } of failures) {
      this.left.delete(database);
      this.warnings.set(database.id, { code: error.code, message: `The database "${database.name}" was left out: ${error.message}`, databaseId: database.id });
    }
    return answers.flatMap(({ database, answer }) => (answer instanceof AppError ? [] : [{ database, hits: answer }]));
  }

  private async askOne(database: DatabaseEntity, query: CandidateQuery): Promise<VectorHit[] | AppError> {
    try {
      const collection = await this.collections.of(database);
      if (query.mode === 'hybrid' && !collection.capacities.keyword) {
        this.warnings.set(database.id, { code: 'keyword_not_supported', message: `The database "${database.name}" was searched by vector only: its server ranks no words.`, databaseId: database.id });
      }
      const vector = query.mode === 'keyword' ? {} : { vector: await this.vectorFor(database) };
      return await collection.search({ ...query, ...vector });
    } catch (error) {
      if (LEAVES_OUT.some((kind) => error instanceof kind)) return error as AppError;
      throw error;
    }
  }
}

@Injectable()
export class CandidateSource {
  constructor(
    private readonly collections: Collections,
    private readonly embedding: QueryEmbedding,
  ) {}

  in(databases: readonly DatabaseEntity[], query: string): Candidates {
    return new Candidates(databases, this.collections, this.embedding.of(query));
  }
}
