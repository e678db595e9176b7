import { Injectable } from '@nestjs/common';
import { PERMISSIONS_OF_ROLE, type Principal } from '../common/principal.js';
import { sha256Hex } from '../common/secrets.js';
import { FencedCaches, type FencedCache } from '../events/fenced-cache.js';
import { Transactions } from '../persistence/transactions.js';
import { statusOf, type ApiKeyStatus } from './api-key.entity.js';
import { ApiKeysRepository, type KeyWithOwner } from './api-keys.repository.js';
import { isWellFormedKey } from './key-format.js';

/** A key as the database has it, and the principal it stands for while it works. */
export interface KnownKey extends KeyWithOwner {
  principal: Principal;
}

export interface Verdict {
  accepted: Principal | null;
  /** Of one that is revoked, expired or disabled. */
  refused: Principal | null;
}

function principalOf({ key, role, tenantStatus, tenantCallsPerHour }: KeyWithOwner): Principal {
  return {
    tenantId: key.tenantId,
    tenantStatus,
    userId: key.userId,
    role,
    permissions: key.permissions.filter((permission) => PERMISSIONS_OF_ROLE[role].includes(permission)),
    sessionId: null,
    apiKeyId: key.id,
    apiKeyLineageId: key.lineageId,
    databaseIds: key.databaseIds,
    allowedIps: key.allowedIps,
    keyCallsPerHour: key.rateLimitPerHour,
    tenantCallsPerHour,
  };
}

/** The state of a key as its owner's account leaves it: a deactivated person's keys are as good as switched off. */
export function effectiveStatus(known: KeyWithOwner): ApiKeyStatus {
  const status = statusOf(known.key);
  return status === 'active' && !known.ownerIsActive ? 'inactive' : status;
}

/** Looks keys up on every request: one query at most, none while the key is remembered, and none for what cannot be a key. */
@Injectable()
export class ApiKeyVerifier {
  private readonly cache: FencedCache<KnownKey>;

  constructor(
    private readonly transactions: Transactions,
    private readonly apiKeys: ApiKeysRepository,
    caches: FencedCaches,
  ) {
    this.cache = caches.create('api_keys');
  }

  /** Who the key stands for; neither for one that is unknown or malformed. */
  async verify(secret: string): Promise<Verdict> {
    const known = await this.find(secret);
    const principal = known?.principal ?? null;
    return known !== null && effectiveStatus(known) === 'active' ? { accepted: principal, refused: null } : { accepted: null, refused: principal };
  }

  /** The key in whatever state it is; null when there is none. */
  async find(secret: string): Promise<KnownKey | null> {
    if (!isWellFormedKey(secret)) return null;
    // By the hash, so that no secret stays in memory.
    const hash = sha256Hex(secret);
    return this.cache.get(hash) ?? this.cache.load(hash, (known) => known.key.tenantId, () => this.read(Buffer.from(hash, 'hex')));
  }

  private async read(hash: Buffer): Promise<KnownKey | null> {
    const found = await this.transactions.forSystem((tx) => this.apiKeys.findByHash(tx, hash));
    return found && { ...found, principal: principalOf(found) };
  }
}
