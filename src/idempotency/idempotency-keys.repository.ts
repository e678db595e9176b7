import { Injectable } from '@nestjs/common';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';

/** A key as its tenant sent it to a route. */
export interface KeyPlace {
  route: string;
  key: string;
}

/** A request that holds a key until it is answered. */
export interface KeyHolder extends KeyPlace {
  token: string;
}

export interface KeptAnswer {
  status: number;
  body: object;
}

export interface KnownKey {
  fingerprint: Buffer | null;
  /** Null while its request runs. */
  answer: KeptAnswer | null;
  /** To be forgotten, and only not removed yet. */
  isOver: boolean;
}

/** Of a request that was killed the key is free again after so long; of one that runs it is renewed. */
const LEASE_SECONDS = 15;
const LEASE_END = `clock_timestamp() + make_interval(secs => ${LEASE_SECONDS})`;
const KEPT_HOURS = 24;
const IS_OVER = `created_at < clock_timestamp() - make_interval(hours => ${KEPT_HOURS})`;
const OF_KEY = 'tenant_id = $1 AND route = $2 AND key = $3';
const HELD = `${OF_KEY} AND token = $4 AND status IS NULL`;

@Injectable()
export class IdempotencyKeysRepository {
  /** Takes a key that is new, or that a request of the same kind left behind which runs no more. Null when it is neither. */
  async reserve(tx: TenantTx, { route, key, token }: KeyHolder, fingerprint: Buffer | null): Promise<{ isTakenOver: boolean } | null> {
    const rows = await tx.manager.query<{ isTakenOver: boolean }[]>(
      `INSERT INTO idempotency_keys AS held (tenant_id, route, key, token, fingerprint, lease_expires_at) VALUES ($1, $2, $3, $4, $5, ${LEASE_END})
       ON CONFLICT (tenant_id, route, key) DO UPDATE SET token = EXCLUDED.token, fingerprint = EXCLUDED.fingerprint, lease_expires_at = EXCLUDED.lease_expires_at
        WHERE held.status IS NULL AND held.lease_expires_at < clock_timestamp() AND (held.fingerprint IS NULL OR held.fingerprint = EXCLUDED.fingerprint)
       RETURNING xmax <> 0 AS "isTakenOver"`,
      [tx.tenantId, route, key, token, fingerprint],
    );
    return rows[0] ?? null;
  }

  async find(tx: TenantTx, { route, key }: KeyPlace): Promise<KnownKey | null> {
    const rows = await tx.manager.query<{ fingerprint: Buffer | null; status: number | null; body: object | null; isOver: boolean }[]>(
      `SELECT fingerprint, status, body, ${IS_OVER} AS "isOver" FROM idempotency_keys WHERE ${OF_KEY}`,
      [tx.tenantId, route, key],
    );
    const [row] = rows;
    if (!row) return null;
    const { fingerprint, status, body, isOver } = row;
    return { fingerprint, isOver, answer: status === null || body === null ? null : { status, body } };
  }

  async removeIfOver(tx: TenantTx, { route, key }: KeyPlace): Promise<void> {
    await tx.manager.query(`DELETE FROM idempotency_keys WHERE ${OF_KEY} AND ${IS_OVER}`, [tx.tenantId, route, key]);
  }

  async listParts(tx: TenantTx, { route, key }: KeyPlace): Promise<{ part: string; body: object }[]> {
    return tx.manager.query(`SELECT part, body FROM idempotency_parts WHERE ${OF_KEY}`, [tx.tenantId, route, key]);
  }

  /** False when the holder holds it no more. */
  async answer(tx: TenantTx, { route, key, token }: KeyHolder, fingerprint: Buffer, { status, body }: KeptAnswer): Promise<boolean> {
    const [, changed] = await tx.manager.query<[unknown[], number]>(`UPDATE idempotency_keys SET fingerprint = $5, status = $6, body = $7 WHERE ${HELD}`, [
      tx.tenantId, route, key, token, fingerprint, status, JSON.stringify(body),
    ]);
    return changed > 0;
  }

  /** False when the holder holds it no more; until this transaction ends, nobody else will. */
  async answerPart(tx: TenantTx, { route, key, token }: KeyHolder, part: string, body: object): Promise<boolean> {
    const rows = await tx.manager.query<unknown[]>(
      `INSERT INTO idempotency_parts (tenant_id, route, key, part, body)
       SELECT tenant_id, route, key, $5, $6 FROM idempotency_keys WHERE ${HELD} FOR SHARE RETURNING part`,
      [tx.tenantId, route, key, token, part, JSON.stringify(body)],
    );
    return rows.length > 0;
  }

  /** False when the holder holds it no more. */
  async forgetPart(tx: TenantTx, { route, key, token }: KeyHolder, part: string): Promise<boolean> {
    const [, removed] = await tx.manager.query<[unknown[], number]>(
      `WITH held AS (SELECT FROM idempotency_keys WHERE ${HELD} FOR SHARE) DELETE FROM idempotency_parts WHERE ${OF_KEY} AND part = $5 AND EXISTS (SELECT FROM held)`,
      [tx.tenantId, route, key, token, part],
    );
    return removed > 0;
  }

  async renew(tx: TenantTx, { route, key, token }: KeyHolder): Promise<void> {
    await tx.manager.query(`UPDATE idempotency_keys SET lease_expires_at = ${LEASE_END} WHERE ${HELD}`, [tx.tenantId, route, key, token]);
  }

  /** Of a request that failed: forgotten when it had no effect, otherwise free for the same request only. */
  async release(tx: TenantTx, { route, key, token }: KeyHolder): Promise<void> {
    const values = [tx.tenantId, route, key, token];
    const hasParts = `EXISTS (SELECT FROM idempotency_parts WHERE ${OF_KEY})`;
    await tx.manager.query(`DELETE FROM idempotency_keys WHERE ${HELD} AND NOT ${hasParts}`, values);
    await tx.manager.query(`UPDATE idempotency_keys SET lease_expires_at = '-infinity' WHERE ${HELD}`, values);
  }

  /** Answers how many were removed: fewer than `limit` were all there are. */
  async removeOld(tx: SystemTx, limit: number): Promise<number> {
    const [, removed] = await tx.manager.query<[unknown[], number]>(
      `DELETE FROM idempotency_keys WHERE (tenant_id, route, key) IN (SELECT tenant_id, route, key FROM idempotency_keys WHERE ${IS_OVER} LIMIT $1)`,
      [limit],
    );
    return removed;
  }
}
