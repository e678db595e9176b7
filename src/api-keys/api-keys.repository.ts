import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import type { Role, TenantStatus } from '../common/principal.js';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';
import type { KeyUse } from '../tenancy/usage.service.js';
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
  key: Pick<ApiKeyEntity, 'id' | 'tenantId' | 'userId' | 'permissions' | 'isActive' | 'expiresAt' | 'revokedAt' | 'allowedIps' | 'databaseIds' | 'rateLimitPerHour' | 'lineageId'>;
  role: Role;
  ownerIsActive: boolean;
  tenantStatus: TenantStatus;
  /** Null is unlimited. */
  tenantCallsPerHour: number | null;
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
              k.lineage_id AS "lineageId",
              u.role, u.is_active AS "ownerIsActive", t.status AS "tenantStatus", q.hard_limit::float8 AS "tenantCallsPerHour"
         FROM api_keys k JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.user_id JOIN tenants t ON t.id = k.tenant_id
         JOIN tenant_quotas q ON q.tenant_id = k.tenant_id AND q.resource = 'api_calls_per_hour'
        WHERE k.key_hash = $1`,
      [hash],
    );
    const [row] = rows;
    if (!row) return null;
    const { role, ownerIsActive, tenantStatus, tenantCallsPerHour, ...key } = row;
    return { key, role, ownerIsActive, tenantStatus, tenantCallsPerHour };
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

  /** How many of these are no databases of the tenant. */
  async countUnknownDatabases(tx: TenantTx, ids: readonly string[]): Promise<number> {
    const rows = await tx.manager.query<{ unknown: number }[]>(
      `SELECT count(*)::int AS unknown FROM unnest($2::uuid[]) AS named (id)
        WHERE NOT EXISTS (SELECT FROM databases d WHERE d.tenant_id = $1 AND d.id = named.id)`,
      [tx.tenantId, ids],
    );
    return rows[0]?.unknown ?? 0;
  }

  /** In the order of the ids, so that two processes which flush at once do not wait for each other in a circle. */
  async addUse(tx: SystemTx, uses: readonly KeyUse[]): Promise<void> {
    if (uses.length === 0) return;
    await tx.manager.query(
      `WITH used AS (
         SELECT n."tenantId" AS tenant_id, n."apiKeyId" AS id, n.requests, n."lastUsedAt" AS last_used_at
           FROM jsonb_to_recordset($1::jsonb) AS n ("tenantId" uuid, "apiKeyId" uuid, requests bigint, "lastUsedAt" timestamptz)
       ), locked AS (
         SELECT k.tenant_id, k.id FROM api_keys k JOIN used USING (tenant_id, id) ORDER BY k.tenant_id, k.id FOR UPDATE OF k
       )
       UPDATE api_keys k SET usage_count = k.usage_count + used.requests, last_used_at = GREATEST(k.last_used_at, used.last_used_at)
         FROM used JOIN locked USING (tenant_id, id) WHERE k.tenant_id = used.tenant_id AND k.id = used.id`,
      [JSON.stringify(uses)],
    );
  }

  private matching(tx: TenantTx, filter: ApiKeyFilter): SelectQueryBuilder<ApiKeyEntity> {
    const query = tx.manager.createQueryBuilder(ApiKeyEntity, 'key').where('key.tenant_id = :tenantId', { tenantId: tx.tenantId });
    if (filter.status) query.andWhere(STATUS_CONDITION[filter.status]);
    if (filter.permission) query.andWhere(':permission = ANY (key.permissions)', { permission: filter.permission });
    if (filter.nameContains) query.andWhere('position(lower(:name) in lower(key.name)) > 0', { name: filter.nameContains });
    return query;
  }
}
