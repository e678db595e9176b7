import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import type { VectorHit, VectorQuery } from '../databases/vector-stores/vector-store.js';
import { Transactions } from '../persistence/transactions.js';
import { CandidateSource, type CandidateList, type SearchWarning } from './candidates.js';
import { capped, merge, type ScoredChunk } from './merging.js';
import type { SearchScope } from './search-scope.js';
import { SearchRepository, type VisibleChunk } from './search.repository.js';

/** Candidates beyond top_k that stand in for hits a reader may no longer see. */
const SPARE_CANDIDATES = 20;
/** How far to look when the store is full of hits nobody may see any more. */
const MOST_CANDIDATES = 2000;
/** Of documents that a filter lets through, when they are too many to be named to the store. */
const MOST_FILTERED_CANDIDATES = 20_000;
/** How often to look again for documents that change their version while they are searched. */
const MOST_SWAPS = 10;

export type FoundChunk = ScoredChunk & { chunk: VisibleChunk };

export interface Wish {
  query: string;
  mode: VectorQuery['mode'];
  topK: number;
  scoreThreshold: number;
  maxChunksPerDocument: number;
}

export interface Finding {
  found: FoundChunk[];
  warnings: SearchWarning[];
}

interface Look {
  lists: { database: CandidateList['database']; found: { hit: VectorHit; chunk: VisibleChunk }[] }[];
  hidden: VectorHit[];
  served: Map<string, number>;
}

/** Asks the stores for candidates and the rows which of them a reader may see, until there are enough. */
@Injectable()
export class FoundChunks {
  constructor(
    private readonly transactions: Transactions,
    private readonly chunks: SearchRepository,
    private readonly source: CandidateSource,
  ) {}

  /**
   * Asks for more candidates as long as hidden ones, or too many of one document, take up the places of others; and anew when a document changed
   * its version since the store was asked, for the store may have answered before it had the new one. What is not served at all, or does not fit the filter, is left out then.
   */
  async find(principal: Principal, scope: SearchScope, wish: Wish): Promise<Finding> {
    if (scope.databases.length === 0 || scope.documentIds?.length === 0) return { found: [], warnings: [] };
    const candidates = this.source.in(scope.databases, wish.query);
    const query = { tenantId: principal.tenantId, mode: wish.mode, text: wish.query, ...(scope.documentIds === null ? {} : { documentIds: scope.documentIds }) };
    const most = scope.filter && scope.documentIds === null ? MOST_FILTERED_CANDIDATES : MOST_CANDIDATES;
    const known = new Map<string, number>();
    const excluded = new Set<string>();
    for (let limit = wish.topK + SPARE_CANDIDATES, swaps = 0; ; ) {
      const lists = await candidates.ask({ ...query, limit, excludeDocumentIds: [...excluded] });
      const { lists: visible, hidden, served } = await this.look(principal, scope, lists);
      const ordered = merge(visible);
      const good = ordered.filter(({ score }) => score >= wish.scoreThreshold);
      const found = capped(good, wish.topK, wish.maxChunksPerDocument);
      const isSwapped = swaps < MOST_SWAPS && hidden.some(({ documentId, version }) => version < (served.get(documentId) ?? 0) && known.get(documentId) !== served.get(documentId));
      // What comes later is below the threshold, too.
      const isExhausted = lists.every(({ hits }) => hits.length < limit) || good.length < ordered.length;
      if (!isSwapped && (found.length >= wish.topK || isExhausted || limit >= most)) {
        const isCut = found.length < wish.topK && !isExhausted;
        return { found, warnings: [...candidates.warnings.values(), ...(isCut ? [cutAt(limit)] : [])] };
      }
      for (const { documentId, version } of hidden) {
        const current = served.get(documentId);
        // Not served at all, or served as it was found: then it is the filter that it does not fit.
        if (current === undefined || current === version) excluded.add(documentId);
        else known.set(documentId, current);
      }
      if (isSwapped) swaps += 1;
      else limit *= 4;
    }
  }

  /** What of the hits a reader may see now; of the documents of the others, which version is served. */
  private look(principal: Principal, { databases, filter }: SearchScope, lists: readonly CandidateList[]): Promise<Look> {
    const hits = lists.flatMap((list) => list.hits);
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const rows = await this.chunks.findVisible(tx, hits.map(({ id }) => id), databases.map(({ id }) => id), filter);
      const visible = new Map(rows.map((row) => [row.id, row]));
      const hidden = hits.filter(({ id }) => !visible.has(id));
      const served = hidden.length === 0 ? new Map<string, number>() : await this.chunks.findServedVersions(tx, [...new Set(hidden.map(({ documentId }) => documentId))]);
      return { hidden, served, lists: lists.map(({ database, hits: own }) => ({ database, found: own.flatMap((hit) => pairOf(hit, visible)) })) };
    });
  }
}

function pairOf(hit: VectorHit, visible: ReadonlyMap<string, VisibleChunk>): { hit: VectorHit; chunk: VisibleChunk }[] {
  const chunk = visible.get(hit.id);
  return chunk ? [{ hit, chunk }] : [];
}

function cutAt(limit: number): SearchWarning {
  return { code: 'incomplete', message: `Only the ${limit} nearest passages were looked through, and there may be more results. Narrow the filter, or allow more chunks per document.` };
}
