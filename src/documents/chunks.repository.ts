import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import type { Chunk } from './ingestion/chunking/chunking.js';

export type IdentifiedChunk = Chunk & { id: string };
export type StoredChunk = IdentifiedChunk & { documentId: string; version: number };

/** PostgreSQL takes the rows as one JSON parameter; a batch keeps that parameter small. */
const ROWS_PER_STATEMENT = 500;

@Injectable()
export class ChunksRepository {
  /** Makes these the chunks of the version; a second run replaces what the first one left. */
  async replace(tx: TenantTx, documentId: string, version: number, chunks: readonly IdentifiedChunk[]): Promise<void> {
    await tx.manager.query('DELETE FROM document_chunks WHERE tenant_id = $1 AND document_id = $2', [tx.tenantId, documentId]);
    for (let from = 0; from < chunks.length; from += ROWS_PER_STATEMENT) {
      await tx.manager.query(
        `INSERT INTO document_chunks (tenant_id, document_id, version, id, index, text, token_count, char_start, char_end, page_from, page_to, heading_path)
         SELECT $1, $2, $3, c.id, c.index, c.text, c."tokenCount", c."charStart", c."charEnd", c."pageFrom", c."pageTo", c."headingPath"
           FROM jsonb_to_recordset($4::jsonb) AS c (id uuid, index int, text text, "tokenCount" int, "charStart" int, "charEnd" int,
                "pageFrom" int, "pageTo" int, "headingPath" text[])`,
        [tx.tenantId, documentId, version, JSON.stringify(chunks.slice(from, from + ROWS_PER_STATEMENT))],
      );
    }
  }

  /** In the order of the text, those that come after an index. */
  list(tx: TenantTx, documentId: string, version: number, page: { after: number; limit: number }): Promise<StoredChunk[]> {
    return tx.manager.query<StoredChunk[]>(
      `SELECT id, document_id AS "documentId", version, index, text, token_count AS "tokenCount", char_start AS "charStart", char_end AS "charEnd",
              page_from AS "pageFrom", page_to AS "pageTo", heading_path AS "headingPath"
         FROM document_chunks WHERE tenant_id = $1 AND document_id = $2 AND version = $3 AND index > $4 ORDER BY index LIMIT $5`,
      [tx.tenantId, documentId, version, page.after, page.limit],
    );
  }
}
