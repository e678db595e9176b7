import { Injectable } from '@nestjs/common';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';
import { KEPT_DAYS } from './usage-range.js';

/** What existed at one moment; null where nothing is known: before an upgrade that began to keep a history. */
export interface Stock {
  documents: number | null;
  storageBytes: number | null;
  vectorPoints: number | null;
}

const usedOf = (resource: string, name: string): string => `max(used) FILTER (WHERE resource = '${resource}')::float8 AS "${name}"`;

/** Reads and prunes what the trigger `close_hour` of `tenant_quotas` writes. Times are told by the database's clock and in UTC. */
@Injectable()
export class QuotaHistoryRepository {
  /**
   * What existed at the end of each hour that ends at one of these times, in the same order. The counter itself says so since it changed last, before
   * that the newest row of an hour that was over; a tenant had nothing before there was one.
   */
  async stockAt(tx: TenantTx, times: readonly Date[]): Promise<Stock[]> {
    return tx.manager.query<Stock[]>(
      `SELECT ${usedOf('documents', 'documents')}, ${usedOf('storage_mb', 'storageBytes')}, ${usedOf('vector_points', 'vectorPoints')}
         FROM (
           SELECT asked.position, q.resource, CASE WHEN q.changed_hour < asked.time THEN q.used ELSE coalesce(
                  (SELECT h.used FROM quota_history h WHERE h.tenant_id = $1 AND h.resource = q.resource AND h.hour < asked.time ORDER BY h.hour DESC LIMIT 1),
                  CASE WHEN asked.time <= t.created_at THEN 0 END) END AS used
             FROM unnest($2::timestamptz[]) WITH ORDINALITY AS asked (time, position)
             CROSS JOIN tenants t JOIN tenant_quotas q ON q.tenant_id = t.id AND q.resource IN ('documents', 'storage_mb', 'vector_points')
            WHERE t.id = $1 AND q.tenant_id = $1
         ) AS stock
        GROUP BY position ORDER BY position`,
      [tx.tenantId, times],
    );
  }

  /** Midnight before the oldest hour that is still to be made part of a day; null when there is none. */
  async findOldestDay(tx: SystemTx): Promise<Date | null> {
    const rows = await tx.manager.query<{ day: Date | null }[]>(
      `SELECT date_trunc('day', min(hour), 'UTC') AS day FROM quota_history
        WHERE NOT closes_day AND hour < date_trunc('day', now() - make_interval(hours => 24 * $1), 'UTC')`,
      [KEPT_DAYS.hour],
    );
    return rows[0]?.day ?? null;
  }

  /** Keeps the last row of each counter on a day, which is what there was at its end. */
  async closeDay(tx: SystemTx, day: Date): Promise<void> {
    await tx.manager.query(
      `DELETE FROM quota_history h WHERE hour >= $1 AND hour < $1::timestamptz + interval '24 hours' AND EXISTS (
         SELECT FROM quota_history l WHERE l.tenant_id = h.tenant_id AND l.resource = h.resource AND l.hour > h.hour AND l.hour < $1::timestamptz + interval '24 hours')`,
      [day],
    );
    await tx.manager.query(`UPDATE quota_history SET closes_day = true WHERE NOT closes_day AND hour >= $1 AND hour < $1::timestamptz + interval '24 hours'`, [day]);
  }

  /** All but the newest of each counter, which says what there was when the days that are kept began. */
  async removeOldDays(tx: SystemTx): Promise<void> {
    await tx.manager.query(
      `WITH kept AS (SELECT date_trunc('day', now() - make_interval(hours => 24 * $1), 'UTC') AS since)
       DELETE FROM quota_history h USING kept WHERE h.closes_day AND h.hour < kept.since AND EXISTS (
         SELECT FROM quota_history l WHERE l.tenant_id = h.tenant_id AND l.resource = h.resource AND l.hour > h.hour AND l.hour < kept.since)`,
      [KEPT_DAYS.day],
    );
  }
}
