import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import type { DatabaseEntity } from '../databases/database.entity.js';
import { DatabaseNotFound } from '../databases/databases.errors.js';
import { DatabasesService } from '../databases/databases.service.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import type { SearchDto } from './dto/search.dto.js';
import { parseFilter, type Filter } from './filters/filter.js';
import { SearchRepository } from './search.repository.js';

/** So many documents a store is told by their ids; of more it is asked without, and the rows are asked what fits. */
export const MOST_DOCUMENT_IDS = 5000;

/** What a search may look at. */
export interface SearchScope {
  databases: DatabaseEntity[];
  /** Only these; null is all that are served. */
  documentIds: string[] | null;
  filter: Filter | null;
}

/** Turns what a request names into what is searched: all in one transaction. */
@Injectable()
export class SearchScopes {
  /** Smaller in tests. */
  mostDocumentIds = MOST_DOCUMENT_IDS;

  constructor(
    private readonly transactions: Transactions,
    private readonly databases: DatabasesService,
    private readonly repository: SearchRepository,
  ) {}

  /** @throws ValidationFailed for a filter that is none; DatabaseNotFound */
  find(principal: Principal, dto: SearchDto): Promise<SearchScope> {
    const filter = dto.filter === undefined ? null : parseFilter(dto.filter);
    const named = dto.document_ids?.map((id) => id.toLowerCase()) ?? null;
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const databases = await this.databasesOf(tx, principal, dto);
      return { databases, filter, documentIds: filter ? await this.fitting(tx, databases, filter, named) : named };
    });
  }

  /** Null when they are too many to be named. */
  private async fitting(tx: TenantTx, databases: readonly DatabaseEntity[], filter: Filter, named: string[] | null): Promise<string[] | null> {
    const ids = await this.repository.listFitting(tx, databases.map(({ id }) => id), filter, named, this.mostDocumentIds + 1);
    return ids.length > this.mostDocumentIds ? named : ids;
  }

  private async databasesOf(tx: TenantTx, principal: Principal, dto: SearchDto): Promise<DatabaseEntity[]> {
    const named = [...(dto.database_ids ?? []).map((id) => ({ database_id: id })), ...(dto.databases ?? []).map((name) => ({ database: name }))];
    if (named.length === 0) return this.databases.usable(tx, principal);
    const found = new Map<string, DatabaseEntity>();
    for (const reference of named) {
      const database = await this.databases.find(tx, principal, reference);
      if (!database) throw new DatabaseNotFound();
      found.set(database.id, database);
    }
    return [...found.values()];
  }
}
