import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { PERMISSIONS_OF_ROLE, type Principal } from '../common/principal.js';
import { hasValidChecksum, randomWithChecksum, sha256 } from '../common/secrets.js';
import { FencedCaches, type FencedCache } from '../events/fenced-cache.js';
import { TenantChanges } from '../events/tenant-changes.js';
import { Transactions, type AnyTx, type TenantTx } from '../persistence/transactions.js';
import type { UserEntity } from '../users/user.entity.js';
import type { AccessClaims } from './access-tokens.js';
import { RefreshTokensRepository, type RefreshTokenOwner } from './refresh-tokens.repository.js';
import { SessionsRepository, type LiveSession } from './sessions.repository.js';

const SESSION_SECONDS = 30 * 24 * 3600;
const REFRESH_TOKEN = /^mr_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;

interface KnownSession extends LiveSession {
  principal: Principal;
}

/** A session with the refresh token that continues it. */
export interface OpenedSession {
  id: string;
  refreshToken: string;
}

const expiry = (): Date => new Date(Date.now() + SESSION_SECONDS * 1000);

/**
 * Sign-ins: opened by a password, continued by refresh tokens, ended when trust ends. The refresh tokens of a session are a family
 * (RFC 9700, 4.14.2): each is used once, and one that comes back ends the session with all that descends from it.
 */
@Injectable()
export class SessionsService {
  private readonly cache: FencedCache<KnownSession>;

  constructor(
    private readonly transactions: Transactions,
    private readonly sessions: SessionsRepository,
    private readonly refreshTokens: RefreshTokensRepository,
    private readonly changes: TenantChanges,
    caches: FencedCaches,
  ) {
    this.cache = caches.create('sessions');
  }

  async open(tx: TenantTx, userId: string): Promise<OpenedSession> {
    const id = uuidv7();
    await this.sessions.insert(tx, { userId, id, expiresAt: expiry() });
    return { id, refreshToken: await this.mint(tx, id) };
  }

  /** Whose refresh token it is; null for one that was never ours, has expired or whose session has ended. One that was used before ends its session. */
  async ownerOf(refreshToken: string): Promise<RefreshTokenOwner | null> {
    if (!hasValidChecksum(refreshToken, REFRESH_TOKEN)) return null;
    const owner = await this.transactions.forSystem((tx) => this.refreshTokens.findOwner(tx, sha256(refreshToken)));
    if (!owner?.isUsed) return owner;
    await this.endAfterReplay(owner);
    return null;
  }

  /** Uses the token up and mints the next; null when its session has ended, or when somebody else was faster with the same token. */
  async renew(owner: RefreshTokenOwner, refreshToken: string): Promise<OpenedSession | null> {
    const renewed = await this.transactions.forTenant(owner.tenantId, async (tx) => {
      if (!(await this.refreshTokens.use(tx, sha256(refreshToken)))) return 'used';
      if (!(await this.sessions.findLive(tx, owner.sessionId))) return null;
      await this.sessions.extend(tx, owner.sessionId, expiry());
      await this.refreshTokens.removeExpired(tx, owner.sessionId);
      return { id: owner.sessionId, refreshToken: await this.mint(tx, owner.sessionId) };
    });
    if (renewed !== 'used') return renewed;
    await this.endAfterReplay(owner);
    return null;
  }

  /** Who the token stands for, or false when its session has ended. */
  async principalOf(claims: AccessClaims): Promise<Principal | false> {
    if (claims.typ !== 'access') return false;
    const name = `${claims.tid} ${claims.sid}`;
    const known = this.cache.get(name) ?? (await this.cache.load(name, () => claims.tid, () => this.read(claims)));
    if (!known || known.userId !== claims.sub || known.expiresAt.getTime() <= Date.now()) return false;
    return known.principal;
  }

  /** Ends this session, or every one of the person's. */
  async end(principal: Principal, sessionId: string, everywhere: boolean): Promise<void> {
    await this.changes.behindFence(principal.tenantId, (tx) => (everywhere ? this.endAll(tx, { tenantId: principal.tenantId, id: principal.userId }) : this.sessions.end(tx, sessionId)));
  }

  async isLive(tx: TenantTx, sessionId: string): Promise<boolean> {
    return (await this.sessions.findLive(tx, sessionId)) !== null;
  }

  endOthers(tx: TenantTx, userId: string, keep: string): Promise<void> {
    return this.sessions.endOthers(tx, { tenantId: tx.tenantId, id: userId }, keep);
  }

  endAll(tx: AnyTx, user: Pick<UserEntity, 'tenantId' | 'id'>): Promise<void> {
    return this.sessions.endOthers(tx, user, null);
  }

  /** Thief and owner cannot be told apart, so both are out. */
  private async endAfterReplay({ tenantId, sessionId }: RefreshTokenOwner): Promise<void> {
    await this.changes.behindFence(tenantId, (tx) => this.sessions.end(tx, sessionId));
  }

  private async mint(tx: TenantTx, sessionId: string): Promise<string> {
    const token = `mr_${randomWithChecksum()}`;
    await this.refreshTokens.insert(tx, sessionId, sha256(token), SESSION_SECONDS);
    return token;
  }

  private async read({ tid, sid }: AccessClaims): Promise<KnownSession | null> {
    const session = await this.transactions.forTenant(tid, (tx) => this.sessions.findLive(tx, sid));
    if (!session) return null;
    const principal: Principal = {
      tenantId: tid,
      tenantStatus: session.tenantStatus,
      userId: session.userId,
      role: session.role,
      permissions: PERMISSIONS_OF_ROLE[session.role],
      sessionId: sid,
      apiKeyId: null,
      apiKeyLineageId: null,
      databaseIds: null,
      allowedIps: [],
      keyCallsPerHour: null,
      tenantCallsPerHour: session.tenantCallsPerHour,
    };
    return { ...session, principal };
  }
}
