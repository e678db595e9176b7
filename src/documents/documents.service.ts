import { Injectable } from '@nestjs/common';
import { Cursors, type CountedPageQueryDto } from '../common/pagination.js';
import type { Principal } from '../common/principal.js';
import { Transactions } from '../persistence/transactions.js';
import { ChunksRepository } from './chunks.repository.js';
import { DocumentListRepository, type ListPosition } from './document-list.repository.js';
import { DocumentStatisticsRepository } from './document-statistics.repository.js';
import { DocumentNotFound } from './documents.errors.js';
import { DocumentsRepository } from './documents.repository.js';
import { ChunkDto } from './dto/chunk.dto.js';
import { DocumentDto, DocumentStatsDto, type ChunkListDto, type DocumentListDto, type ListDocumentsQueryDto, type UpdateDocumentDto } from './dto/document.dto.js';

/** A cursor's position is one word: the id, and behind it what the list is sorted by. */
const positionText = ({ id, value }: ListPosition): string => (value === null ? id : `${id}.${Buffer.from(value).toString('base64url')}`);

function positionFrom(text: string | null): ListPosition | null {
  if (text === null) return null;
  const [id, value] = text.split('.') as [string, string?];
  return { id, value: value === undefined ? null : Buffer.from(value, 'base64url').toString() };
}

/** Documents as their tenant sees them. */
@Injectable()
export class DocumentsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly documents: DocumentsRepository,
    private readonly lists: DocumentListRepository,
    private readonly statistics: DocumentStatisticsRepository,
    private readonly chunks: ChunksRepository,
    private readonly cursors: Cursors,
  ) {}

  async list(principal: Principal, query: ListDocumentsQueryDto): Promise<DocumentListDto> {
    const filter = {
      state: query.state, type: query.type, databaseId: query.database_id, query: query.query,
      createdAfter: query.created_after, createdBefore: query.created_before, databaseIds: principal.databaseIds,
    };
    const order = { by: query.sort_by, isAscending: query.sort_order === 'asc' };
    const scope = `documents ${principal.tenantId} ${JSON.stringify({ ...filter, ...order })}`;
    const after = positionFrom(this.cursors.decode(query.cursor, scope));
    const { rows, counted } = await this.transactions.forTenantReading(principal.tenantId, async (tx) => ({
      rows: await this.lists.list(tx, filter, { order, limit: query.limit + 1, after }),
      counted: query.include_total ? { total: await this.lists.count(tx, filter) } : {},
    }));
    const page = rows.slice(0, query.limit);
    const nextAfter = rows.length > query.limit ? positionText(page.at(-1)!.position) : null;
    return { documents: page.map((row) => DocumentDto.from(row)), ...counted, ...this.cursors.pageInfo({ rows: page, nextAfter }, query.limit, scope) };
  }

  async get(principal: Principal, id: string): Promise<DocumentDto> {
    return DocumentDto.from(await this.transactions.forTenant(principal.tenantId, (tx) => this.documents.requireVisible(tx, id, principal.databaseIds)));
  }

  /** @throws DocumentNotFound */
  update(principal: Principal, id: string, { title, metadata }: UpdateDocumentDto): Promise<DocumentDto> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      await this.documents.requireVisible(tx, id, principal.databaseIds);
      const locked = await this.documents.lock(tx, id);
      if (!locked || locked.state === 'DELETED') throw new DocumentNotFound();
      const changes = { ...(title === undefined ? {} : { title }), ...(metadata === undefined ? {} : { metadata }) };
      // Of a version that is being made they hold, too, whatever was sent with its file.
      const next = locked.next && { ...locked.next, ...changes };
      await this.documents.update(tx, id, { ...changes, next });
      return DocumentDto.from(await this.documents.requireVisible(tx, id, principal.databaseIds));
    });
  }

  async stats(principal: Principal, databaseId: string | undefined): Promise<DocumentStatsDto> {
    const mine = principal.databaseIds;
    const named = databaseId === undefined ? mine : [databaseId].filter((id) => mine?.includes(id) ?? true);
    return DocumentStatsDto.from(await this.transactions.forTenantReading(principal.tenantId, (tx) => this.statistics.sum(tx, named)));
  }

  /** Those of the version that is served; none before there is one. @throws DocumentNotFound, InvalidCursor also when another version is served by now */
  async listChunks(principal: Principal, id: string, query: CountedPageQueryDto): Promise<ChunkListDto> {
    const { document, rows, scope } = await this.transactions.forTenant(principal.tenantId, async (tx) => {
      const found = await this.documents.requireVisible(tx, id, principal.databaseIds);
      const { version } = found.document;
      const cursorScope = `chunks ${principal.tenantId} ${id} ${version}`;
      const after = Number(this.cursors.decode(query.cursor, cursorScope) ?? -1);
      return { document: found.document, scope: cursorScope, rows: await this.chunks.list(tx, id, version, { after, limit: query.limit + 1 }) };
    });
    const page = rows.slice(0, query.limit);
    const nextAfter = rows.length > query.limit ? String(page.at(-1)!.index) : null;
    const counted = query.include_total ? { total: document.chunkCount } : {};
    return { chunks: page.map((chunk) => ChunkDto.fromStored(chunk, document.metadata)), ...counted, ...this.cursors.pageInfo({ rows: page, nextAfter }, query.limit, scope) };
  }
}
