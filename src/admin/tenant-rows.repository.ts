import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';

interface Reference {
  /** As SQL writes it. */
  table: string;
  refersTo: string | null;
}

@Injectable()
export class TenantRowsRepository {
  /** Every table whose rows belong to tenants, with each table that it refers to: from the catalogue, so that none added later is forgotten. */
  listTables(tx: TenantTx): Promise<Reference[]> {
    return tx.manager.query<Reference[]>(
      `SELECT t.oid::regclass::text AS table, r.confrelid::regclass::text AS "refersTo"
         FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
         LEFT JOIN pg_constraint r ON r.conrelid = t.oid AND r.contype = 'f' AND r.conparentid = 0 AND r.confrelid <> t.oid
        WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p')`,
    );
  }

  /** @returns how many it removed: fewer than `limit` were all there are. Of a table that lies in months they may be more, for each month has rows of the same places. */
  async removeSome(tx: TenantTx, table: string, limit: number): Promise<number> {
    // For a few rows the planner likes to read the table of all tenants from its beginning, where batch after batch finds less.
    await tx.manager.query(`SELECT set_config('enable_seqscan', 'off', true)`);
    const [, removed] = await tx.manager.query<[unknown[], number]>(
      `DELETE FROM ${table} WHERE tenant_id = $1 AND ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE tenant_id = $1 LIMIT $2))`,
      [tx.tenantId, limit],
    );
    return removed;
  }
}
