import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import type { Role, TenantStatus } from '../common/principal.js';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';
import { ApiKeyEntity, type ApiKeyStatus } from './api-key.entity.js';

export interface ApiKeyFilter {
  status?: ApiKeyStatus;
  permission?: string;
  nameContains?: string;
}

export interface ApiKeyPage {
  limit: number;
  skip: number;
  before: string | null;
}

export type ApiKeyChange = Partial<
  Pick<ApiKeyEntity, 'name' | 'description' | 'permissions' | 'isActive' | 'expiresAt' | 'revokedAt' | 'rateLimitPerHour' | 'allowedIps' | 'databaseIds' | 'metadata'>
>;

/** A key beside what its owner and tenant are allowed at this moment. */
export interface KeyWithOwner {
  key: Pick<ApiKeyEntity, 'id' | 'tenantId' | 'userId' | 'permissions' | 'isActive' | 'expiresAt' | 'revokedAt' | 'allowedIps' | 'databaseIds' | 'rateLimitPerHour'>;
  role: Role;
  ownerIsActive: boolean;
  tenantStatus: TenantStatus;
}

const STATUS_CONDITION: Readonly<Record<ApiKeyStatus, string>> = {
  revoked: 'key.revoked_at IS NOT NULL',
  expired: 'key.revoked_at IS NULL AND key.expires_at <= now()',
  inactive: 'key.revoked_at IS NULL AND (key.expires_at IS NULL OR key.expires_at > now()) AND NOT key.is_active',
  active: 'key.revoked_at IS NULL AND (key.expires_at IS NULL OR key.expires_at > now()) AND key.is_active',
};

@Injectable()
export class ApiKeysRepository {
  async insert(tx: TenantTx, key: Partial<ApiKeyEntity>): Promise<void> {
    await tx.manager.insert(ApiKeyEntity, { ...key, tenantId: tx.tenantId });
  }

  findById(tx: TenantTx, id: string): Promise<ApiKeyEntity | null> {
    return tx.manager.findOne(ApiKeyEntity, { where: { tenantId: tx.tenantId, id } });
  }

  async findByHash(tx: SystemTx, hash: Buffer): Promise<KeyWithOwner | null> {
    const rows = await tx.manager.query<(KeyWithOwner['key'] & Omit<KeyWithOwner, 'key'>)[]>(
      `SELECT k.id, k.tenant_id AS "tenantId", k.user_id AS "userId", k.permissions, k.is_active AS "isActive", k.expires_at AS "expiresAt",
              k.revoked_at AS "revokedAt", k.allowed_ips AS "allowedIps", k.database_ids AS "databaseIds", k.rate_limit_per_hour AS "rateLimitPerHour",
              u.role, u.is_active AS "ownerIsActive", t.status AS "tenantStatus"
         FROM api_keys k JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.user_id JOIN tenants t ON t.id = k.tenant_id
        WHERE k.key_hash = $1`,
      [hash],
    );
    const [row] = rows;
    if (!row) return null;
    const { role, ownerIsActive, tenantStatus, ...key } = row;
    return { key, role, ownerIsActive, tenantStatus };
  }

  async listNewestFirst(tx: TenantTx, filter: ApiKeyFilter, page: ApiKeyPage): Promise<{ rows: ApiKeyEntity[]; total: number }> {
    const matching = this.matching(tx, filter);
    const total = await matching.getCount();
    if (page.before !== null) matching.andWhere('key.id < :before', { before: page.before });
    // One more than asked tells whether another page follows.
    const rows = await matching
      .orderBy('key.id', 'DESC')
      .offset(page.skip)
      .limit(page.limit + 1)
      .getMany();
    return { rows, total };
  }

  /** Changes a key that was not revoked. */
  async update(tx: TenantTx, id: string, change: ApiKeyChange): Promise<boolean> {
    const { affected } = await tx.manager
      .createQueryBuilder()
      .update(ApiKeyEntity)
      .set({ ...change, updatedAt: new Date() })
      .where('tenant_id = :tenantId AND id = :id AND revoked_at IS NULL', { tenantId: tx.tenantId, id })
      .execute();
    return affected === 1;
  }

  private matching(tx: TenantTx, filter: ApiKeyFilter): SelectQueryBuilder<ApiKeyEntity> {
    const query = tx.manager.createQueryBuilder(ApiKeyEntity, 'key').where('key.tenant_id = :tenantId', { tenantId: tx.tenantId });
    if (filter.status) query.andWhere(STATUS_CONDITION[filter.status]);
    if (filter.permission) query.andWhere(':permission = ANY (key.permissions)', { permission: filter.permission });
    if (filter.nameContains) query.andWhere('position(lower(:name) in lower(key.name)) > 0', { name: filter.nameContains });
    return query;
  }
}
