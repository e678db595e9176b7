import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { idsMadeWithin } from '../common/id-range.js';
import type { TenantTx } from '../persistence/transactions.js';
import { DocumentEntity, type DocumentState } from './document.entity.js';
import { COLLECTION_NAME, type DocumentWithCollection } from './documents.repository.js';
import type { DocumentType } from './ingestion/media-type.js';

export interface DocumentFilter {
  state?: DocumentState;
  type?: DocumentType;
  databaseId?: string;
  /** Part of title or name, in any case. */
  query?: string;
  createdAfter?: Date;
  createdBefore?: Date;
  /** Only in these; null is all of the tenant's. */
  databaseIds: readonly string[] | null;
}

/** What a list can be in the order of, and the type by which PostgreSQL compares it. Ids are in the order of creation. */
const SORT_COLUMNS = {
  created_at: null,
  updated_at: { column: 'updated_at', type: 'timestamptz' },
  title: { column: 'title', type: 'text' },
  size_bytes: { column: 'size_bytes', type: 'bigint' },
} as const;

export type DocumentSort = keyof typeof SORT_COLUMNS;
export const DOCUMENT_SORTS = Object.keys(SORT_COLUMNS) as DocumentSort[];

export interface DocumentOrder {
  by: DocumentSort;
  isAscending: boolean;
}

/** Where a page ends: the row's id, and what it is sorted by as PostgreSQL writes that, since a JavaScript date would lose the microseconds. */
export interface ListPosition {
  id: string;
  value: string | null;
}

export interface ListPage {
  order: DocumentOrder;
  limit: number;
  after: ListPosition | null;
}

export type ListedDocument = DocumentWithCollection & { position: ListPosition };

type Conditions = [sql: string, values: Record<string, unknown>];

function conditionsOf(filter: DocumentFilter): Conditions {
  const { from, to } = idsMadeWithin(filter.createdAfter, filter.createdBefore);
  const conditions: [boolean, string][] = [
    [filter.state !== undefined, 'state = :state'],
    [filter.state === undefined, `state <> 'DELETED'`],
    [filter.type !== undefined, 'type = :type'],
    [filter.databaseId !== undefined, 'database_id = :databaseId'],
    [filter.query !== undefined, `position(lower(:query) in lower(title || ' ' || name)) > 0`],
    // A range of times is one of ids as well, with which every index ends.
    [filter.createdAfter !== undefined, 'created_at > :createdAfter AND id >= :from'],
    [filter.createdBefore !== undefined, 'created_at < :createdBefore AND id < :to'],
  ];
  return [conditions.filter(([applies]) => applies).map(([, sql]) => sql).join(' AND '), { ...filter, from, to }];
}

function positionOf({ order: { by, isAscending }, after }: ListPage): Conditions {
  if (after === null) return ['true', {}];
  const sort = SORT_COLUMNS[by];
  const beyond = isAscending ? '>' : '<';
  if (sort === null) return [`id ${beyond} :afterId`, { afterId: after.id }];
  return [`(${sort.column}, id) ${beyond} (:afterValue::${sort.type}, :afterId::uuid)`, { afterId: after.id, afterValue: after.value }];
}

const isInCreationOrder = ({ by }: DocumentOrder): boolean => SORT_COLUMNS[by] === null;

/** Pages of documents. */
@Injectable()
export class DocumentListRepository {
  async list(tx: TenantTx, filter: DocumentFilter, page: ListPage): Promise<ListedDocument[]> {
    const direction = page.order.isAscending ? 'ASC' : 'DESC';
    const sort = SORT_COLUMNS[page.order.by];
    const [position, values] = positionOf(page);
    const query = this.ofTenant(tx, filter, isInCreationOrder(page.order) ? { position, values, page } : undefined)
      .andWhere(position, values)
      .addSelect(COLLECTION_NAME, 'collection_name')
      .limit(page.limit);
    if (sort) query.addSelect(`document.${sort.column}::text`, 'sorted_by').orderBy(`document.${sort.column}`, direction);
    const { entities, raw } = await query.addOrderBy('document.id', direction).getRawAndEntities<{ collection_name: string; sorted_by?: string }>();
    return entities.map((document, row) => ({ document, collectionName: raw[row]!.collection_name, position: { id: document.id, value: raw[row]!.sorted_by ?? null } }));
  }

  /** Reads every row that matches. */
  async count(tx: TenantTx, filter: DocumentFilter): Promise<number> {
    const counted = await this.ofTenant(tx, filter).select('count(*)', 'total').getRawOne<{ total: string }>();
    return Number(counted?.total ?? 0);
  }

  private ofTenant(tx: TenantTx, filter: DocumentFilter, merged?: { position: string; values: Record<string, unknown>; page: ListPage }): SelectQueryBuilder<DocumentEntity> {
    const [conditions, values] = conditionsOf(filter);
    const query = tx.manager.createQueryBuilder(DocumentEntity, 'document').where('document.tenant_id = :tenantId', { tenantId: tx.tenantId, ...values });
    const { databaseIds, databaseId } = filter;
    if (databaseIds === null) return query.andWhere(conditions);
    if (!merged || databaseIds.length === 0 || databaseId !== undefined) return query.andWhere(`${conditions} AND database_id = ANY (:databaseIds)`);
    // Of `database_id = ANY` PostgreSQL would sort whatever is in the databases, for every page. Each is a statement of its own, because of a
    // mere join it could not tell a large database from a small one.
    const direction = merged.page.order.isAscending ? 'ASC' : 'DESC';
    const pages = databaseIds.map(
      (_, at) => `(SELECT id FROM documents WHERE tenant_id = :tenantId AND database_id = :database${at} AND ${conditions} AND ${merged.position} ORDER BY id ${direction} LIMIT ${merged.page.limit})`,
    );
    const named = Object.fromEntries(databaseIds.map((id, at) => [`database${at}`, id]));
    return query.andWhere(`document.id = ANY (ARRAY(${pages.join(' UNION ALL ')}))`, { ...named, ...merged.values });
  }
}
