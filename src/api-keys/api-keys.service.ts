import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Cursors, pageOf } from '../common/pagination.js';
import type { Permission, Principal } from '../common/principal.js';
import type { AppError } from '../common/errors.js';
import { TenantChanges } from '../events/tenant-changes.js';
import { keepAnswer } from '../idempotency/claim.js';
import { violates } from '../persistence/postgres-errors.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { QuotasService } from '../tenancy/quotas.service.js';
import { statusOf, type ApiKeyEntity } from './api-key.entity.js';
import { AlreadyRotated, ApiKeyNameTaken, ApiKeyNotFound, BeyondOwnRights, BoundDatabaseNotFound, ExpiredForGood, RevokedForGood } from './api-keys.errors.js';
import { ApiKeysRepository, type ApiKeyChange } from './api-keys.repository.js';
import { ApiKeyDto, type ApiKeyListDto, type CreateApiKeyDto, type CreatedApiKeyDto, type ListApiKeysQueryDto, type RotateApiKeyDto, type UpdateApiKeyDto } from './dto/api-key.dto.js';
import { mintKey } from './key-format.js';
import { boundedBy, rightsAfter, type KeyRights } from './key-rights.js';

/** Of a key that a person makes without saying more. */
const DEFAULT_PERMISSIONS: Permission[] = ['read'];

/** Why a key can be changed no more. */
function ended({ revokedAt, rotatedTo }: ApiKeyEntity): AppError {
  if (revokedAt !== null) return new RevokedForGood();
  return rotatedTo === null ? new ExpiredForGood() : new AlreadyRotated(rotatedTo);
}

/** What a person may grant, or a key within its own rights. @throws BeyondOwnRights, for a key that has ended meanwhile as well */
function withinRightsOf(principal: Principal, maker: ApiKeyEntity | undefined, wanted: Partial<KeyRights>): Partial<KeyRights> {
  if (principal.apiKeyId === null) return wanted;
  if (!maker || statusOf(maker) !== 'active') throw new BeyondOwnRights('anything');
  return boundedBy({ ...maker, permissions: maker.permissions.filter((permission) => principal.permissions.includes(permission)) }, wanted);
}

/** What a successor inherits: everything but the secret and the history. */
function successorOf(key: ApiKeyEntity): Partial<ApiKeyEntity> {
  const { userId, name, description, environment, permissions, isActive, expiresAt, rateLimitPerHour, allowedIps, databaseIds, metadata, lineageId } = key;
  return { userId, name, description, environment, permissions, isActive, expiresAt, rateLimitPerHour, allowedIps, databaseIds, metadata, lineageId, rotatedFrom: key.id };
}

/** Keys for programs: made, found, changed, rotated and revoked by their tenant. */
@Injectable()
export class ApiKeysService {
  constructor(
    private readonly transactions: Transactions,
    private readonly apiKeys: ApiKeysRepository,
    private readonly quotas: QuotasService,
    private readonly changes: TenantChanges,
    private readonly cursors: Cursors,
  ) {}

  create(principal: Principal, dto: CreateApiKeyDto): Promise<CreatedApiKeyDto> {
    const minted = mintKey(dto.environment);
    const id = uuidv7();
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const { maker } = await this.lock(tx, principal);
      const rights = withinRightsOf(principal, maker, {
        permissions: dto.permissions,
        expiresAt: dto.expires_at,
        databaseIds: dto.database_ids,
        allowedIps: dto.allowed_ips,
      });
      await this.requireDatabases(tx, dto.database_ids);
      await this.refusingTakenName(dto.name, () =>
        this.apiKeys.insert(tx, {
          ...rights,
          permissions: rights.permissions ?? DEFAULT_PERMISSIONS,
          id,
          lineageId: id,
          userId: principal.userId,
          name: dto.name,
          description: dto.description,
          keyHash: minted.hash,
          keyPrefix: minted.prefix,
          environment: dto.environment,
          rateLimitPerHour: dto.rate_limit_per_hour,
          metadata: dto.metadata,
        }),
      );
      await this.quotas.take(tx, { api_keys: 1 });
      return keepAnswer(tx, { api_key: await this.read(tx, id), secret_key: minted.secret });
    });
  }

  async list(principal: Principal, query: ListApiKeysQueryDto): Promise<ApiKeyListDto> {
    const filter = {
      status: query.status,
      permission: query.permission,
      nameContains: query.name_contains,
      createdAfter: query.created_after,
      createdBefore: query.created_before,
      lastUsedAfter: query.last_used_after,
      lastUsedBefore: query.last_used_before,
    };
    const scope = `api-keys ${principal.tenantId} ${JSON.stringify(filter)}`;
    const before = this.cursors.decode(query.cursor, scope);
    const { rows, total } = await this.transactions.forTenantReading(principal.tenantId, (tx) =>
      this.apiKeys.listNewestFirst(tx, filter, { limit: query.limit, skip: query.skip, before }),
    );
    const page = pageOf(rows, query.limit);
    return { api_keys: page.rows.map((row) => ApiKeyDto.from(row)), total, skip: query.skip, ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  get(principal: Principal, id: string): Promise<ApiKeyDto> {
    return this.transactions.forTenant(principal.tenantId, (tx) => this.read(tx, id));
  }

  update(principal: Principal, id: string, dto: UpdateApiKeyDto): Promise<ApiKeyDto> {
    return this.changes.behindFence(principal.tenantId, async (tx) => {
      const { key, maker } = await this.lock(tx, principal, id);
      if (!key) throw new ApiKeyNotFound();
      const rights = { permissions: dto.permissions, expiresAt: dto.expires_at, databaseIds: dto.database_ids, allowedIps: dto.allowed_ips };
      withinRightsOf(principal, maker, rightsAfter(rights, key));
      await this.requireDatabases(tx, dto.database_ids);
      const change: ApiKeyChange = {
        ...rights,
        name: dto.name,
        description: dto.description,
        isActive: dto.status === undefined ? undefined : dto.status === 'active',
        rateLimitPerHour: dto.rate_limit_per_hour,
        metadata: dto.metadata,
      };
      await this.refusingTakenName(dto.name ?? '', async () => {
        if (!(await this.apiKeys.update(tx, id, change))) throw ended(key);
      });
      return this.read(tx, id);
    });
  }

  /**
   * Hands everything on to a successor with a secret of its own; the old secret works until the grace ends. Name, place in the quota and
   * rate limit are one between them.
   * @throws RevokedForGood, AlreadyRotated, ExpiredForGood
   */
  rotate(principal: Principal, id: string, { grace_seconds }: RotateApiKeyDto): Promise<CreatedApiKeyDto> {
    const successorId = uuidv7();
    return this.changes.behindFence(principal.tenantId, async (tx) => {
      const { key, maker } = await this.lock(tx, principal, id);
      if (!key) throw new ApiKeyNotFound();
      withinRightsOf(principal, maker, key);
      const minted = mintKey(key.environment);
      if (!(await this.apiKeys.supersede(tx, id, successorId, grace_seconds))) throw ended(key);
      await this.apiKeys.insert(tx, { ...successorOf(key), id: successorId, keyHash: minted.hash, keyPrefix: minted.prefix });
      return keepAnswer(tx, { api_key: await this.read(tx, successorId), secret_key: minted.secret });
    });
  }

  /** Ends the key for good, with every older secret of it that is still in its grace; the rows stay for the audit. A second call finds nothing left to do. */
  async revoke(principal: Principal, id: string): Promise<void> {
    await this.changes.behindFence(principal.tenantId, async (tx) => {
      const revoked = await this.apiKeys.revoke(tx, id);
      if (!revoked) await this.find(tx, id);
      if (!revoked?.heldQuota) return;
      await this.apiKeys.revokeLineage(tx, revoked.lineageId);
      await this.quotas.giveBack(tx, { api_keys: 1 });
    });
  }

  /** The key that is to be changed, and the one that asks for it, as they are now: they may have been revoked or narrowed since they were looked up. */
  private async lock(tx: TenantTx, { apiKeyId }: Principal, id: string | null = null): Promise<{ key: ApiKeyEntity | undefined; maker: ApiKeyEntity | undefined }> {
    const ids = [id, apiKeyId].filter((one) => one !== null);
    const locked = ids.length === 0 ? [] : await this.apiKeys.lock(tx, ids);
    return { key: locked.find((one) => one.id === id), maker: locked.find((one) => one.id === apiKeyId) };
  }

  /** @throws BoundDatabaseNotFound, the same for one that is missing and for another tenant's */
  private async requireDatabases(tx: TenantTx, ids: readonly string[] | null | undefined): Promise<void> {
    if (ids && (await this.apiKeys.countUnknownDatabases(tx, ids)) > 0) throw new BoundDatabaseNotFound();
  }

  private async find(tx: TenantTx, id: string): Promise<ApiKeyEntity> {
    const key = await this.apiKeys.findById(tx, id);
    if (!key) throw new ApiKeyNotFound();
    return key;
  }

  private async read(tx: TenantTx, id: string): Promise<ApiKeyDto> {
    return ApiKeyDto.from(await this.find(tx, id));
  }

  private async refusingTakenName(name: string, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (violates(error, 'api_keys_name')) throw new ApiKeyNameTaken(name);
      throw error;
    }
  }
}
