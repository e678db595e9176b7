import { Injectable } from '@nestjs/common';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';

/** Whose refresh token it is. */
export interface RefreshTokenOwner {
  tenantId: string;
  sessionId: string;
  userId: string;
  isUsed: boolean;
}

@Injectable()
export class RefreshTokensRepository {
  async insert(tx: TenantTx, sessionId: string, hash: Buffer, seconds: number): Promise<void> {
    await tx.manager.query('INSERT INTO refresh_tokens (tenant_id, session_id, token_hash, expires_at) VALUES ($1, $2, $3, now() + make_interval(secs => $4))', [
      tx.tenantId,
      sessionId,
      hash,
      seconds,
    ]);
  }

  /** Whose it is, as long as the session lives: a replay then has nothing left to end. */
  async findOwner(tx: SystemTx, hash: Buffer): Promise<RefreshTokenOwner | null> {
    const rows = await tx.manager.query<RefreshTokenOwner[]>(
      `SELECT r.tenant_id AS "tenantId", r.session_id AS "sessionId", s.user_id AS "userId", r.used_at IS NOT NULL AS "isUsed"
         FROM refresh_tokens r JOIN sessions s ON s.tenant_id = r.tenant_id AND s.id = r.session_id
        WHERE r.token_hash = $1 AND r.expires_at > now() AND s.ended_at IS NULL`,
      [hash],
    );
    return rows[0] ?? null;
  }

  async removeExpired(tx: TenantTx, sessionId: string): Promise<void> {
    await tx.manager.query('DELETE FROM refresh_tokens WHERE tenant_id = $1 AND session_id = $2 AND expires_at < now()', [tx.tenantId, sessionId]);
  }

  /** Uses it up. Of several at once only one succeeds. */
  async use(tx: TenantTx, hash: Buffer): Promise<boolean> {
    const [, affected] = await tx.manager.query<[unknown[], number]>(
      'UPDATE refresh_tokens SET used_at = now() WHERE tenant_id = $1 AND token_hash = $2 AND used_at IS NULL AND expires_at > now()',
      [tx.tenantId, hash],
    );
    return affected === 1;
  }
}
