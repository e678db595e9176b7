import { Injectable } from '@nestjs/common';
import type { Role, TenantStatus } from '../common/principal.js';
import type { AnyTx, TenantTx } from '../persistence/transactions.js';
import { SessionEntity } from './session.entity.js';

export interface LiveSession {
  userId: string;
  role: Role;
  tenantStatus: TenantStatus;
  /** Null is unlimited. */
  tenantCallsPerHour: number | null;
  expiresAt: Date;
}

@Injectable()
export class SessionsRepository {
  /** Takes the place of the sessions that ran out, so that their rows do not pile up, nor those of their refresh tokens. */
  async insert(tx: TenantTx, session: Pick<SessionEntity, 'id' | 'userId' | 'expiresAt'>): Promise<void> {
    await tx.manager.query(`DELETE FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND (expires_at < now() OR ended_at < now() - interval '1 day')`, [
      tx.tenantId,
      session.userId,
    ]);
    await tx.manager.insert(SessionEntity, { ...session, tenantId: tx.tenantId });
  }

  /** The session with its person's role and its tenant's status as they are now, not as they were at sign-in. */
  async findLive(tx: TenantTx, id: string): Promise<LiveSession | null> {
    const rows = await tx.manager.query<LiveSession[]>(
      `SELECT s.user_id AS "userId", u.role, t.status AS "tenantStatus", q.hard_limit::float8 AS "tenantCallsPerHour", s.expires_at AS "expiresAt"
         FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id JOIN tenants t ON t.id = s.tenant_id
         JOIN tenant_quotas q ON q.tenant_id = s.tenant_id AND q.resource = 'api_calls_per_hour'
        WHERE s.tenant_id = $1 AND s.id = $2 AND s.ended_at IS NULL AND s.expires_at > now() AND u.is_active`,
      [tx.tenantId, id],
    );
    return rows[0] ?? null;
  }

  async extend(tx: TenantTx, id: string, expiresAt: Date): Promise<void> {
    await tx.manager.update(SessionEntity, { tenantId: tx.tenantId, id }, { expiresAt });
  }

  async end(tx: TenantTx, id: string): Promise<void> {
    await tx.manager.query('UPDATE sessions SET ended_at = now() WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL', [tx.tenantId, id]);
  }

  /** @param keep null for none */
  async endOthers(tx: AnyTx, user: { tenantId: string; id: string }, keep: string | null): Promise<void> {
    await tx.manager.query('UPDATE sessions SET ended_at = now() WHERE tenant_id = $1 AND user_id = $2 AND id IS DISTINCT FROM $3 AND ended_at IS NULL', [
      user.tenantId,
      user.id,
      keep,
    ]);
  }
}
