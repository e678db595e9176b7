import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '../common/principal.js';
import type { DatabaseEntity } from '../databases/database.entity.js';
import { DatabasesService } from '../databases/databases.service.js';
import { Collections } from '../databases/collections.service.js';
import type { VectorHit, VectorQuery } from '../databases/vector-stores/vector-store.js';
import { EmbeddingFailed } from '../embeddings/embedder.js';
import { Embedders } from '../embeddings/embedders.js';
import { Transactions } from '../persistence/transactions.js';
import type { SearchDto, SearchResponseDto, SearchResultDto, FoundDocumentDto } from './dto/search.dto.js';
import { QueryNotEmbedded } from './search.errors.js';
import { SearchRepository, type VisibleChunk } from './search.repository.js';

/** Candidates beyond top_k that stand in for hits a reader may no longer see. */
const SPARE_CANDIDATES = 20;
/** How far to look when the store is full of hits nobody may see any more. */
const MOST_CANDIDATES = 2000;
/** How often to look again for documents that change their version while they are searched. */
const MOST_SWAPS = 10;

interface FoundChunk {
  hit: VectorHit;
  chunk: VisibleChunk;
}

const byScore = (a: VectorHit, b: VectorHit): number => b.score - a.score || (a.id < b.id ? -1 : 1);

/** Finds chunks in the vector store and shows those that the rows call visible. */
@Injectable()
export class SearchService {
  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesService,
    private readonly chunks: SearchRepository,
    private readonly embedders: Embedders,
    private readonly collections: Collections,
  ) {}

  /** @throws DatabaseNotFound, EmbeddingModelChanged, QueryNotEmbedded, VectorStoreUnavailable */
  async search(principal: Principal, dto: SearchDto): Promise<SearchResponseDto> {
    const startedAt = performance.now();
    const databases = await this.searchable(principal, dto);
    const query: Omit<VectorQuery, 'limit'> = {
      tenantId: principal.tenantId,
      mode: dto.mode,
      text: dto.query,
      ...(dto.mode === 'keyword' ? {} : { vector: await this.embed(dto.query) }),
      ...(dto.document_ids === undefined ? {} : { documentIds: dto.document_ids.map((id) => id.toLowerCase()) }),
    };
    const found = await this.findVisible(principal, databases, query, dto.top_k);
    return {
      query_id: uuidv7(),
      took_ms: Math.round(performance.now() - startedAt),
      results: found.map(toResult),
      documents: countByDocument(found),
      warnings: [],
    };
  }

  private async embed(text: string): Promise<Float32Array> {
    try {
      return await this.embedders.standard.embedQuery(text);
    } catch (error) {
      throw error instanceof EmbeddingFailed ? new QueryNotEmbedded(error) : error;
    }
  }

  private searchable(principal: Principal, dto: SearchDto): Promise<DatabaseEntity[]> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const named = [...(dto.database_ids ?? []).map((id) => ({ database_id: id })), ...(dto.databases ?? []).map((name) => ({ database: name }))];
      if (named.length === 0) {
        const usable = await this.databases.usable(tx, principal);
        for (const database of usable) this.databases.requireModel(database);
        return usable;
      }
      const resolved = new Map<string, DatabaseEntity>();
      for (const reference of named) {
        const database = await this.databases.resolve(tx, principal, reference);
        resolved.set(database.id, database);
      }
      return [...resolved.values()];
    });
  }

  /**
   * Asks for more candidates as long as hidden ones take up the places of visible ones; and anew when a document changed its version since
   * the store was asked, for the store may have answered before it had the new one. What is not served at all is left out then.
   */
  private async findVisible(principal: Principal, databases: DatabaseEntity[], query: Omit<VectorQuery, 'limit'>, topK: number): Promise<FoundChunk[]> {
    const databaseIds = databases.map((database) => database.id);
    const known = new Map<string, number>();
    const unserved = new Set<string>();
    for (let limit = topK + SPARE_CANDIDATES, swaps = 0; ; ) {
      const lists = await Promise.all(databases.map((database) => this.candidates(database, { ...query, limit, excludeDocumentIds: [...unserved] })));
      const hits = lists.flat().sort(byScore);
      const { found, hidden, served } = await this.look(principal, hits, databaseIds);
      const isSwapped = swaps < MOST_SWAPS && hidden.some(({ documentId, version }) => version < (served.get(documentId) ?? 0) && known.get(documentId) !== served.get(documentId));
      const exhausted = lists.every((list) => list.length < limit);
      if (!isSwapped && (found.length >= topK || exhausted || limit >= MOST_CANDIDATES)) return found.slice(0, topK);
      for (const { documentId } of hidden) {
        const version = served.get(documentId);
        if (version === undefined) unserved.add(documentId);
        else known.set(documentId, version);
      }
      if (isSwapped) swaps += 1;
      else limit *= 4;
    }
  }

  /** What of the hits a reader may see now; of the documents of the others, which version is served. */
  private look(principal: Principal, hits: readonly VectorHit[], databaseIds: readonly string[]): Promise<{ found: FoundChunk[]; hidden: VectorHit[]; served: Map<string, number> }> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const rows = await this.chunks.findVisible(tx, hits.map(({ id }) => id), databaseIds);
      const visible = new Map(rows.map((row) => [row.id, row]));
      const found = hits.flatMap((hit) => {
        const chunk = visible.get(hit.id);
        return chunk ? [{ hit, chunk }] : [];
      });
      const hidden = hits.filter(({ id }) => !visible.has(id));
      const served = hidden.length === 0 ? new Map<string, number>() : await this.chunks.findServedVersions(tx, [...new Set(hidden.map(({ documentId }) => documentId))]);
      return { found, hidden, served };
    });
  }

  private async candidates(database: DatabaseEntity, query: VectorQuery): Promise<VectorHit[]> {
    const collection = await this.collections.of(database);
    return collection.search(query);
  }
}

function toResult({ hit, chunk }: FoundChunk): SearchResultDto {
  return {
    chunk_id: chunk.id,
    score: hit.score,
    scores: hit.scores,
    text: chunk.text,
    citation: {
      document_id: chunk.documentId,
      document_title: chunk.documentTitle,
      version: chunk.version,
      database_id: chunk.databaseId,
      page_from: chunk.pageFrom,
      page_to: chunk.pageTo,
      heading_path: chunk.headingPath,
      char_start: chunk.charStart,
      char_end: chunk.charEnd,
      source_url: chunk.sourceUrl,
    },
    metadata: chunk.metadata,
  };
}

function countByDocument(found: readonly FoundChunk[]): FoundDocumentDto[] {
  const documents = new Map<string, FoundDocumentDto>();
  for (const { chunk } of found) {
    const known = documents.get(chunk.documentId);
    if (known) known.count += 1;
    else documents.set(chunk.documentId, { id: chunk.documentId, title: chunk.documentTitle, count: 1 });
  }
  return [...documents.values()];
}
