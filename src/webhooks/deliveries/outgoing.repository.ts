import { Injectable } from '@nestjs/common';
import type { SystemTx, TenantTx } from '../../persistence/transactions.js';
import type { SealedSecrets } from '../signing/sealed-secrets.js';
import type { CallOutcome } from './webhook-calls.js';

/** A delivery that this process sends: nobody else does until the lease runs out. */
export interface Outgoing extends SealedSecrets {
  tenantId: string;
  id: string;
  /** Null for the `webhook_url` of an ingest. */
  webhookId: string | null;
  url: string;
  /** What shares the bound on how much is sent at once. */
  lane: string;
  /** Its number, which fences what is written of it. */
  attempt: number;
  /** Before this attempt, since the delivery was made or replayed. */
  failures: number;
  eventType: string;
  eventAt: Date;
  data: object;
  /** Whether the day was over when the attempt began. */
  isLast: boolean;
}

export interface ClaimBounds {
  /** All that this process may still begin. */
  total: number;
  perTenant: number;
  perLane: number;
}

/** Longer than any attempt takes. By the database's clock, the only one that all senders share. */
const LEASE = `now() + interval '30 seconds'`;
const DAY = `interval '24 hours'`;
const IS_FREE = `d.status = 'pending' AND d.due_at <= now() AND (d.leased_until IS NULL OR d.leased_until <= now())`;

/**
 * From lane to lane through the index, so that thousands that wait in one cost the others nothing; in each as many as it has room for, the
 * longest due first, and of one document only the first. `$1` and `$2` are tenants and lanes of what this process is sending.
 */
const CLAIM = `
  WITH RECURSIVE lanes AS (
    (SELECT tenant_id, lane FROM webhook_deliveries WHERE status = 'pending' ORDER BY tenant_id, lane LIMIT 1)
    UNION ALL
    SELECT next.tenant_id, next.lane FROM lanes CROSS JOIN LATERAL (
      SELECT tenant_id, lane FROM webhook_deliveries WHERE status = 'pending' AND (tenant_id, lane) > (lanes.tenant_id, lanes.lane) ORDER BY tenant_id, lane LIMIT 1
    ) next
  ), sending AS (
    SELECT * FROM unnest($1::uuid[], $2::text[]) AS mine (tenant_id, lane)
  ), open_lanes AS (
    SELECT l.tenant_id, l.lane, $5 - (SELECT count(*) FROM sending s WHERE s.tenant_id = l.tenant_id AND s.lane = l.lane) AS room
      FROM lanes l JOIN tenants t ON t.id = l.tenant_id
     WHERE t.status IN ('active', 'trial') AND (t.configuration ->> 'enableWebhooks')::boolean IS NOT FALSE
       AND NOT EXISTS (SELECT FROM webhooks w WHERE w.tenant_id = l.tenant_id AND w.id::text = l.lane AND NOT w.is_active)
  ), due AS (
    SELECT first.*, row_number() OVER (PARTITION BY first.tenant_id ORDER BY first.due_at, first.sequence) AS of_tenant
      FROM open_lanes CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.id, d.due_at, d.sequence FROM webhook_deliveries d
         WHERE d.tenant_id = open_lanes.tenant_id AND d.lane = open_lanes.lane AND ${IS_FREE}
           AND NOT EXISTS (SELECT FROM webhook_deliveries e WHERE e.tenant_id = d.tenant_id AND e.lane = d.lane AND e.document_id = d.document_id
                                                              AND e.status = 'pending' AND e.sequence < d.sequence)
         ORDER BY d.due_at LIMIT greatest(open_lanes.room, 0)
      ) first
  ), chosen AS (
    SELECT tenant_id, id FROM due WHERE of_tenant <= $4 - (SELECT count(*) FROM sending s WHERE s.tenant_id = due.tenant_id) ORDER BY due_at, sequence LIMIT $3
  ), held AS (
    SELECT d.tenant_id, d.id FROM webhook_deliveries d JOIN chosen USING (tenant_id, id) WHERE ${IS_FREE} FOR UPDATE OF d SKIP LOCKED
  ), claimed AS (
    UPDATE webhook_deliveries d SET attempts = attempts + 1, leased_until = ${LEASE}, give_up_at = coalesce(give_up_at, now() + ${DAY})
      FROM held WHERE d.tenant_id = held.tenant_id AND d.id = held.id
    RETURNING d.*
  )
  SELECT d.tenant_id AS "tenantId", d.id, d.webhook_id AS "webhookId", coalesce(d.url, w.url) AS url, d.lane, d.attempts AS attempt, d.failures,
         d.event_type AS "eventType", d.event_at AS "eventAt", d.data, d.give_up_at <= now() AS "isLast",
         CASE WHEN w.id IS NULL THEN s.secret ELSE w.secret END AS secret,
         CASE WHEN w.id IS NULL THEN s.previous_secret ELSE w.previous_secret END AS "previousSecret",
         CASE WHEN w.id IS NULL THEN s.previous_secret_until ELSE w.previous_secret_until END AS "previousSecretUntil"
    FROM claimed d
    LEFT JOIN webhooks w ON w.tenant_id = d.tenant_id AND w.id = d.webhook_id
    LEFT JOIN webhook_signing_secrets s ON s.tenant_id = d.tenant_id AND d.webhook_id IS NULL`;

/** An attempt of which nothing is known any more ended without a word. */
const IS_MINE = `tenant_id = $1 AND id = $2 AND attempts = $3 AND status = 'pending'`;

@Injectable()
export class OutgoingRepository {
  /** @param sending what this process is at, which takes up room */
  claim(tx: SystemTx, sending: readonly Outgoing[], { total, perTenant, perLane }: ClaimBounds): Promise<Outgoing[]> {
    return tx.manager.query<Outgoing[]>(CLAIM, [sending.map(({ tenantId }) => tenantId), sending.map(({ lane }) => lane), total, perTenant, perLane]);
  }

  /** @returns false when the delivery is no longer this attempt's, or is gone; then nothing is written */
  async recordSuccess(tx: TenantTx, { id, attempt }: Outgoing, outcome: CallOutcome): Promise<boolean> {
    return this.record(tx, id, attempt, outcome, `status = 'delivered', ended_at = now(), leased_until = NULL`, []);
  }

  /** To be tried again, though not after the day is over. @returns as `recordSuccess` does */
  async recordFailure(tx: TenantTx, { id, attempt }: Outgoing, outcome: CallOutcome, delaySeconds: number): Promise<boolean> {
    const later = `failures = failures + 1, leased_until = NULL, due_at = least(now() + make_interval(secs => $9), give_up_at)`;
    return this.record(tx, id, attempt, outcome, later, [delaySeconds]);
  }

  /** For good. @returns as `recordSuccess` does */
  async recordLastFailure(tx: TenantTx, { id, attempt }: Outgoing, outcome: CallOutcome): Promise<boolean> {
    return this.record(tx, id, attempt, outcome, `status = 'failed', failures = failures + 1, ended_at = now(), leased_until = NULL`, []);
  }

  /** For another process, at once. */
  async handBack(tx: TenantTx, { id, attempt }: Outgoing): Promise<void> {
    await tx.manager.query(`UPDATE webhook_deliveries SET leased_until = NULL WHERE ${IS_MINE}`, [tx.tenantId, id, attempt]);
  }

  async clearFailing(tx: TenantTx, webhookId: string): Promise<void> {
    await tx.manager.query('UPDATE webhooks SET failing_since = NULL WHERE tenant_id = $1 AND id = $2 AND failing_since IS NOT NULL', [tx.tenantId, webhookId]);
  }

  /** Notes the first failure; switches the endpoint off once it has failed for so many days. @returns whether it did */
  async noteFailing(tx: TenantTx, webhookId: string, days: number): Promise<boolean> {
    const [, affected] = await tx.manager.query<[unknown[], number]>(
      `UPDATE webhooks SET is_active = false, disabled_reason = 'failing', updated_at = now()
        WHERE tenant_id = $1 AND id = $2 AND is_active AND failing_since <= now() - make_interval(days => $3)`,
      [tx.tenantId, webhookId, days],
    );
    await tx.manager.query('UPDATE webhooks SET failing_since = now() WHERE tenant_id = $1 AND id = $2 AND failing_since IS NULL', [tx.tenantId, webhookId]);
    return affected === 1;
  }

  /** It said itself that it is not there any more. */
  async disableGone(tx: TenantTx, webhookId: string): Promise<void> {
    await tx.manager.query(
      `UPDATE webhooks SET is_active = false, disabled_reason = 'gone', failing_since = coalesce(failing_since, now()), updated_at = now() WHERE tenant_id = $1 AND id = $2 AND is_active`,
      [tx.tenantId, webhookId],
    );
  }

  private async record(tx: TenantTx, id: string, attempt: number, { startedAt, durationMs, statusCode, error, response }: CallOutcome, set: string, values: unknown[]): Promise<boolean> {
    const rows = await tx.manager.query<unknown[]>(
      `WITH mine AS (UPDATE webhook_deliveries SET ${set} WHERE ${IS_MINE} RETURNING id),
            noted AS (INSERT INTO webhook_attempts (tenant_id, delivery_id, number, started_at, duration_ms, status_code, error, response)
                      SELECT $1::uuid, id, $3::int, $4::timestamptz, $5::int, $6::smallint, $7::text, $8::text FROM mine RETURNING delivery_id)
       SELECT delivery_id FROM noted`,
      [tx.tenantId, id, attempt, startedAt, durationMs, statusCode, error, response, ...values],
    );
    return rows.length === 1;
  }
}
