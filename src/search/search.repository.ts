import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import { filterToSql } from './filters/filter-sql.js';
import type { Filter } from './filters/filter.js';

/** A chunk as a reader may see it now, beside its document. */
export interface VisibleChunk {
  id: string;
  text: string;
  charStart: number;
  charEnd: number;
  pageFrom: number | null;
  pageTo: number | null;
  headingPath: string[];
  version: number;
  documentId: string;
  documentTitle: string;
  databaseId: string;
  sourceUrl: string | null;
  metadata: object;
}

const EVERYTHING: Filter = { kind: 'and', of: [] };

/** While the next version is made, the one before is served. */
const IS_SERVED = `(d.state = 'INGESTED' OR (d.state IN ('PENDING', 'INGESTING') AND d.next IS NOT NULL))`;

@Injectable()
export class SearchRepository {
  /**
   * The vector store may lag behind for seconds; the rows never do. So only what they call served, in the version
   * they call current, is shown.
   */
  findVisible(tx: TenantTx, chunkIds: readonly string[], databaseIds: readonly string[], filter: Filter | null): Promise<VisibleChunk[]> {
    const fits = filterToSql(filter ?? EVERYTHING, 4);
    return tx.manager.query<VisibleChunk[]>(
      `SELECT c.id, c.text, c.char_start AS "charStart", c.char_end AS "charEnd", c.page_from AS "pageFrom", c.page_to AS "pageTo",
              c.heading_path AS "headingPath", c.version, d.id AS "documentId", d.title AS "documentTitle", d.database_id AS "databaseId",
              d.source_url AS "sourceUrl", d.metadata
         FROM document_chunks c JOIN documents d ON d.tenant_id = c.tenant_id AND d.id = c.document_id AND d.version = c.version
        WHERE c.tenant_id = $1 AND c.id = ANY ($2) AND ${IS_SERVED} AND d.database_id = ANY ($3) AND ${fits.sql}`,
      [tx.tenantId, chunkIds, databaseIds, ...fits.values],
    );
  }

  /** The served documents that fit a filter, `limit` of them at most. */
  async listFitting(tx: TenantTx, databaseIds: readonly string[], filter: Filter, named: readonly string[] | null, limit: number): Promise<string[]> {
    const fits = filterToSql(filter, 5);
    const rows = await tx.manager.query<{ id: string }[]>(
      `SELECT d.id FROM documents d WHERE d.tenant_id = $1 AND d.database_id = ANY ($2) AND ($3::uuid[] IS NULL OR d.id = ANY ($3)) AND ${IS_SERVED} AND ${fits.sql} LIMIT $4`,
      [tx.tenantId, databaseIds, named, limit, ...fits.values],
    );
    return rows.map(({ id }) => id);
  }

  /** The version that readers are served of each of these documents; one that is not served is not among them. */
  async findServedVersions(tx: TenantTx, documentIds: readonly string[]): Promise<Map<string, number>> {
    const rows = await tx.manager.query<{ id: string; version: number }[]>(`SELECT d.id, d.version FROM documents d WHERE d.tenant_id = $1 AND d.id = ANY ($2) AND ${IS_SERVED}`, [tx.tenantId, documentIds]);
    return new Map(rows.map(({ id, version }) => [id, version]));
  }
}
