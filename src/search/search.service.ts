import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '../common/principal.js';
import type { FoundDocumentDto, SearchDto, SearchResponseDto, SearchResultDto } from './dto/search.dto.js';
import { FoundChunks, type FoundChunk } from './found-chunks.js';
import { highlighter, type Highlight } from './highlights.js';
import { SearchScopes } from './search-scope.js';

/** Finds chunks in the vector stores and shows those that the rows call visible. */
@Injectable()
export class SearchService {
  constructor(
    private readonly scopes: SearchScopes,
    private readonly chunks: FoundChunks,
  ) {}

  /** @throws ValidationFailed, DatabaseNotFound; EmbeddingModelChanged, QueryNotEmbedded, VectorStoreUnavailable, KeywordNotSupported when no database answers */
  async search(principal: Principal, dto: SearchDto): Promise<SearchResponseDto> {
    const startedAt = performance.now();
    const highlightsIn = highlighter(dto.query);
    const scope = await this.scopes.find(principal, dto);
    const { found, warnings } = await this.chunks.find(principal, scope, {
      query: dto.query,
      mode: dto.mode,
      topK: dto.top_k,
      scoreThreshold: dto.score_threshold ?? Number.NEGATIVE_INFINITY,
      maxChunksPerDocument: dto.max_chunks_per_document ?? Number.POSITIVE_INFINITY,
    });
    return {
      query_id: uuidv7(),
      took_ms: Math.round(performance.now() - startedAt),
      results: found.map((item) => toResult(item, dto, highlightsIn)),
      documents: countByDocument(found),
      warnings: warnings.map(({ code, message, databaseId }) => ({ code, message, ...(databaseId === undefined ? {} : { database_id: databaseId }) })),
    };
  }
}

function toResult({ hit, score, chunk }: FoundChunk, { include }: SearchDto, highlightsIn: (text: string) => Highlight[]): SearchResultDto {
  return {
    chunk_id: chunk.id,
    score,
    ...(include.includes('scores') ? { scores: hit.scores } : {}),
    ...(include.includes('text') ? { text: chunk.text } : {}),
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
    ...(include.includes('metadata') ? { metadata: chunk.metadata } : {}),
    ...(include.includes('highlights') ? { highlights: highlightsIn(chunk.text) } : {}),
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
