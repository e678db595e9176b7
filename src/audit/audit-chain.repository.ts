import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';
import type { LinkedEntry, StoredEntry } from './audit-hash.js';

/** The place in a chain behind which it goes on. */
export interface ChainPosition {
  sequence: string;
  hash: Buffer;
}

type Row = Omit<LinkedEntry, 'entry'> & { [Key in keyof StoredEntry]: StoredEntry[Key] | null };

@Injectable()
export class AuditChainRepository {
  /** The first tenant with an audit after this one, in the order of ids, whether the tenant is still there or not. */
  async nextTenant(tx: SystemTx, after: string): Promise<string | null> {
    const first = (table: string): string => `(SELECT tenant_id FROM ${table} WHERE tenant_id > $1 ORDER BY tenant_id LIMIT 1)`;
    const rows = await tx.manager.query<{ id: string }[]>(
      `SELECT tenant_id AS id FROM (${['audit_heads', 'audit_links', 'audit_entries', 'audit_checkpoints'].map(first).join(' UNION ALL ')}) AS next ORDER BY 1 LIMIT 1`,
      [after],
    );
    return rows[0]?.id ?? null;
  }

  async findCheckpoint(tx: SystemTx, tenantId: string): Promise<ChainPosition | null> {
    const rows = await tx.manager.query<ChainPosition[]>('SELECT sequence::text, hash FROM audit_checkpoints WHERE tenant_id = $1', [tenantId]);
    return rows[0] ?? null;
  }

  /** Links in order, each with the entry that it names. */
  async listLinks(tx: SystemTx, tenantId: string, behind: string, limit: number): Promise<LinkedEntry[]> {
    const rows = await tx.manager.query<Row[]>(
      `SELECT l.sequence::text, l.entry_id AS "entryId", l.details_digest AS "detailsDigest", l.hash, e.tenant_id AS "tenantId", e.id,
              (extract(epoch FROM e.created_at) * 1000)::bigint::text AS "createdAt", e.actor_type AS "actorType", e.actor_id AS "actorId", e.api_key_id AS "apiKeyId", e.action,
              e.target_type AS "targetType", e.target_id AS "targetId", e.result, e.request_id AS "requestId", e.target_name AS "targetName", e.ip, e.user_agent AS "userAgent",
              e.changes::text AS changes, e.salt
         FROM audit_links l LEFT JOIN audit_entries e ON e.tenant_id = l.tenant_id AND e.id = l.entry_id
        WHERE l.tenant_id = $1 AND l.sequence > $2 ORDER BY l.sequence LIMIT $3`,
      [tenantId, behind, limit],
    );
    return rows.map(({ sequence, entryId, detailsDigest, hash, ...entry }) => ({ sequence, entryId, detailsDigest, hash, entry: entry.id === null ? null : (entry as StoredEntry) }));
  }

  /** An entry that no link names; there is none unless somebody put it there, since both come with one commit. */
  async findUnlinked(tx: SystemTx, tenantId: string): Promise<string | null> {
    const rows = await tx.manager.query<{ id: string }[]>(
      `SELECT e.id FROM audit_entries e WHERE e.tenant_id = $1 AND NOT EXISTS (SELECT FROM audit_links l WHERE l.tenant_id = $1 AND l.entry_id = e.id) ORDER BY e.id LIMIT 1`,
      [tenantId],
    );
    return rows[0]?.id ?? null;
  }

  /** The oldest month, with its links and behind a checkpoint of each tenant. @returns what is in the way; null when it is dropped */
  async dropMonth(tx: SystemTx, month: string, days: number): Promise<string | null> {
    const [row] = await tx.manager.query<{ objection: string | null }[]>('SELECT drop_audit_month($1, $2) AS objection', [month, days]);
    return row!.objection;
  }

  /** @returns the last entry that it came to, or null when there is none after `behind` */
  async eraseDetails(tx: SystemTx, tenantId: string, behind: string, limit: number): Promise<string | null> {
    const [row] = await tx.manager.query<{ last: string | null }[]>('SELECT erase_audit_details($1, $2, $3) AS last', [tenantId, behind, limit]);
    return row!.last;
  }
}
