import { Injectable } from '@nestjs/common';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';
import type { NewEvent, PublishedEvent } from './event.js';

/** An event that this transaction holds: no other process works on it until it ends. */
export interface HeldEvent extends PublishedEvent {
  /** Names of the subscribers that are done with it. */
  handledBy: readonly string[];
  /** How often it was tried before. */
  attempts: number;
}

/** What has not been handled by all of its subscribers. */
export interface OutboxBacklog {
  waiting: number;
  /** Of those, how many failed before. */
  retried: number;
  oldestSeconds: number;
}

/** The first failure is followed by a second, then two, then four, up to this power of two: a little more than an hour. */
const LONGEST_DELAY_POWER = 12;
const KEPT_DAYS = 30;
const DELAYED = `attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => power(2, least(attempts, ${LONGEST_DELAY_POWER})))`;

@Injectable()
export class OutboxRepository {
  async insert(tx: TenantTx, { type, payload }: NewEvent): Promise<void> {
    await tx.manager.query('INSERT INTO events (tenant_id, type, payload) VALUES ($1, $2, $3)', [tx.tenantId, type, JSON.stringify(payload)]);
  }

  /** Whoever has waited longest first. */
  async listTenantsWithDue(tx: SystemTx, limit: number): Promise<string[]> {
    const rows = await tx.manager.query<{ id: string }[]>(
      'SELECT tenant_id AS id FROM events WHERE dispatched_at IS NULL AND due_at <= now() GROUP BY tenant_id ORDER BY min(sequence) LIMIT $1',
      [limit],
    );
    return rows.map(({ id }) => id);
  }

  /**
   * The tenant's oldest event that is due; null when there is none, or when another process has it: the next one is not taken out of turn,
   * since whoever has the first looks for the next as well.
   */
  async holdNext(tx: TenantTx): Promise<HeldEvent | null> {
    const isDue = 'dispatched_at IS NULL AND due_at <= now()';
    const rows = await tx.manager.query<HeldEvent[]>(
      `SELECT id, tenant_id AS "tenantId", type, payload, created_at AS "createdAt", handled_by AS "handledBy", attempts FROM events
        WHERE tenant_id = $1 AND id = (SELECT id FROM events WHERE tenant_id = $1 AND ${isDue} ORDER BY sequence LIMIT 1) AND ${isDue}
        FOR UPDATE SKIP LOCKED`,
      [tx.tenantId],
    );
    return rows[0] ?? null;
  }

  /** Undoes what `work` did when it throws, and nothing else of the transaction. */
  async undoneWhenItFails(tx: TenantTx, work: () => Promise<void>): Promise<void> {
    await tx.manager.query('SAVEPOINT attempt');
    try {
      await work();
      await tx.manager.query('RELEASE SAVEPOINT attempt');
    } catch (error) {
      await tx.manager.query('ROLLBACK TO SAVEPOINT attempt');
      throw error;
    }
  }

  /** Dispatched when nobody failed, else due again after a growing delay for those who did. */
  async settle(tx: TenantTx, event: HeldEvent, handledBy: readonly string[], isDispatched: boolean): Promise<void> {
    await tx.manager.query(`UPDATE events SET ${DELAYED}, handled_by = $3, dispatched_at = CASE WHEN $4 THEN clock_timestamp() END WHERE tenant_id = $1 AND id = $2`, [
      tx.tenantId,
      event.id,
      handledBy,
      isDispatched,
    ]);
  }

  /** After a transaction that took the event with it: unless it was committed after all, or tried again since. */
  async postpone(tx: TenantTx, event: HeldEvent): Promise<void> {
    await tx.manager.query(`UPDATE events SET ${DELAYED} WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND dispatched_at IS NULL`, [tx.tenantId, event.id, event.attempts]);
  }

  /** From the index of what is not dispatched. */
  async backlog(tx: SystemTx): Promise<OutboxBacklog> {
    const [row] = await tx.manager.query<OutboxBacklog[]>(
      `SELECT count(*)::int AS waiting, count(*) FILTER (WHERE attempts > 0)::int AS retried, COALESCE(extract(epoch FROM now() - min(created_at)), 0)::float8 AS "oldestSeconds"
         FROM events WHERE dispatched_at IS NULL`,
    );
    return row!;
  }

  /** Answers how many were removed: fewer than `limit` were all there are. */
  async removeOld(tx: SystemTx, limit: number): Promise<number> {
    const [, removed] = await tx.manager.query<[unknown[], number]>(
      `DELETE FROM events WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM events WHERE dispatched_at < now() - make_interval(days => $1) LIMIT $2)`,
      [KEPT_DAYS, limit],
    );
    return removed;
  }
}
