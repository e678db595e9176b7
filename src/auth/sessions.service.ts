import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { PERMISSIONS_OF_ROLE, type Principal } from '../common/principal.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { ACCESS_TOKEN_SECONDS, type AccessClaims } from './access-tokens.js';
import { SessionsRepository } from './sessions.repository.js';

/** Sign-ins: opened by a password, looked up on every request of a person, ended when trust ends. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly sessions: SessionsRepository,
  ) {}

  async open(tx: TenantTx, userId: string): Promise<string> {
    const id = uuidv7();
    await this.sessions.insert(tx, { tenantId: tx.tenantId, userId, id, expiresAt: new Date(Date.now() + ACCESS_TOKEN_SECONDS * 1000) });
    return id;
  }

  /** Who the token stands for, or false when its session has ended. */
  async principalOf(claims: AccessClaims): Promise<Principal | false> {
    if (claims.typ !== 'access') return false;
    const session = await this.transactions.forTenant(claims.tid, (tx) => this.sessions.findLive(tx, claims.sid));
    if (!session || session.userId !== claims.sub) return false;
    return {
      tenantId: claims.tid,
      tenantStatus: session.tenantStatus,
      userId: session.userId,
      role: session.role,
      permissions: PERMISSIONS_OF_ROLE[session.role],
      sessionId: claims.sid,
      apiKeyId: null,
      apiKeyLineageId: null,
      databaseIds: null,
      allowedIps: [],
      keyCallsPerHour: null,
      tenantCallsPerHour: session.tenantCallsPerHour,
    };
  }

  endOthers(tx: TenantTx, userId: string, keep: string): Promise<void> {
    return this.sessions.endOthers(tx, userId, keep);
  }
}
