import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../common/pagination.js';
import type { Principal } from '../common/principal.js';
import { Transactions } from '../persistence/transactions.js';
import { DocumentNotFound } from './documents.errors.js';
import { DocumentsRepository } from './documents.repository.js';
import { DocumentDto, type DocumentListDto, type ListDocumentsQueryDto } from './dto/document.dto.js';

/** Documents as their tenant sees them. */
@Injectable()
export class DocumentsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly documents: DocumentsRepository,
    private readonly cursors: Cursors,
  ) {}

  async list(principal: Principal, query: ListDocumentsQueryDto): Promise<DocumentListDto> {
    const filter = { state: query.state, type: query.type, databaseId: query.database_id, query: query.query, databaseIds: principal.databaseIds };
    const scope = `documents ${principal.tenantId} ${JSON.stringify(filter)}`;
    const before = this.cursors.decode(query.cursor, scope);
    const rows = await this.transactions.forTenant(principal.tenantId, (tx) => this.documents.listNewestFirst(tx, filter, { limit: query.limit + 1, before }));
    const page = pageOf(
      rows.map((row) => DocumentDto.from(row)),
      query.limit,
    );
    return { documents: page.rows, ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  async get(principal: Principal, id: string): Promise<DocumentDto> {
    const found = await this.transactions.forTenant(principal.tenantId, (tx) => this.documents.findVisible(tx, id, principal.databaseIds));
    if (!found) throw new DocumentNotFound();
    return DocumentDto.from(found);
  }
}
