import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import type { Role, TenantStatus } from '../common/principal.js';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';
import type { KeyUse } from '../tenancy/usage-batch.js';
import { ApiKeyEntity, type ApiKeyStatus } from './api-key.entity.js';

export interface ApiKeyFilter {
  status?: ApiKeyStatus;
  permission?: string;
  nameContains?: string;
  createdAfter?: Date;
  createdBefore?: Date;
  lastUsedAfter?: Date;
  lastUsedBefore?: Date;
}

export interface ApiKeyPage {
  limit: number;
  skip: number;
  before: string | null;
}

export type ApiKeyChange = Partial<
  Pick<ApiKeyEntity, 'name' | 'description' | 'permissions' | 'isActive' | 'expiresAt' | 'rateLimitPerHour' | 'allowedIps' | 'databaseIds' | 'metadata'>
>;

/** A key beside what its owner and tenant are allowed at this moment. */
export interface KeyWithOwner {
  key: Omit<ApiKeyEntity, 'keyHash'>;
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

/** Every column of a key but its hash, under the names of the entity. */
const KEY_COLUMNS = `k.id, k.tenant_id AS "tenantId", k.user_id AS "userId", k.name, k.description, k.key_prefix AS "keyPrefix", k.environment, k.permissions,
  k.is_active AS "isActive", k.expires_at AS "expiresAt", k.revoked_at AS "revokedAt", k.rate_limit_per_hour AS "rateLimitPerHour", k.allowed_ips AS "allowedIps",
  k.database_ids AS "databaseIds", k.metadata, k.lineage_id AS "lineageId", k.rotated_from AS "rotatedFrom", k.rotated_to AS "rotatedTo",
  k.last_used_at AS "lastUsedAt", k.usage_count::float8 AS "usageCount", k.created_at AS "createdAt", k.updated_at AS "updatedAt"`;

/** What a tenant's keys take of its quota, as `QuotaCounts` asks for it: a key that was rotated has left its place to its successor. */
export const HELD_PLACES = `SELECT tenant_id, 'api_keys', count(*), 0::bigint FROM api_keys
  WHERE tenant_id = ANY ($1) AND revoked_at IS NULL AND rotated_to IS NULL GROUP BY tenant_id`;

@Injectable()
export class ApiKeysRepository {
  async insert(tx: TenantTx, key: Partial<ApiKeyEntity>): Promise<void> {
    await tx.manager.insert(ApiKeyEntity, { ...key, tenantId: tx.tenantId });
  }

  findById(tx: TenantTx, id: string): Promise<ApiKeyEntity | null> {
    return tx.manager.findOne(ApiKeyEntity, { where: { tenantId: tx.tenantId, id } });
  }

  /** As they are and stay until the transaction ends. Locked in the order of their ids, like `addUse`, so that nobody waits in a circle. */
  lock(tx: TenantTx, ids: readonly string[]): Promise<ApiKeyEntity[]> {
    return tx.manager
      .createQueryBuilder(ApiKeyEntity, 'key')
      .where('key.tenant_id = :tenantId AND key.id = ANY (:ids)', { tenantId: tx.tenantId, ids })
      .orderBy('key.id')
      .setLock('pessimistic_write')
      .getMany();
  }

  async findByHash(tx: SystemTx, hash: Buffer): Promise<KeyWithOwner | null> {
    const rows = await tx.manager.query<(KeyWithOwner['key'] & Omit<KeyWithOwner, 'key'>)[]>(
      `SELECT ${KEY_COLUMNS}, u.role, u.is_active AS "ownerIsActive", t.status AS "tenantStatus", q.hard_limit::float8 AS "tenantCallsPerHour"
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

  /** Changes a key that was neither revoked nor rotated. */
  async update(tx: TenantTx, id: string, change: ApiKeyChange): Promise<boolean> {
    const { affected } = await tx.manager
      .createQueryBuilder()
      .update(ApiKeyEntity)
      .set({ ...change, updatedAt: new Date() })
      .where('tenant_id = :tenantId AND id = :id AND revoked_at IS NULL AND rotated_to IS NULL', { tenantId: tx.tenantId, id })
      .execute();
    return affected === 1;
  }

  /** Ends a key for good. Undefined when that was done already; a rotated one has left its place in the quota to its successor. */
  async revoke(tx: TenantTx, id: string): Promise<{ heldQuota: boolean; lineageId: string } | undefined> {
    const [rows] = await tx.manager.query<[{ heldQuota: boolean; lineageId: string }[], number]>(
      `UPDATE api_keys SET revoked_at = now(), updated_at = now() WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL
       RETURNING rotated_to IS NULL AS "heldQuota", lineage_id AS "lineageId"`,
      [tx.tenantId, id],
    );
    return rows[0];
  }

  /** Ends the graces of all that were rotated on the way to a key. */
  async revokeLineage(tx: TenantTx, lineageId: string): Promise<void> {
    await tx.manager.query('UPDATE api_keys SET revoked_at = now(), updated_at = now() WHERE tenant_id = $1 AND lineage_id = $2 AND revoked_at IS NULL', [tx.tenantId, lineageId]);
  }

  /**
   * Makes way for a successor: the key works for `graceSeconds` more, though never longer than it would have; without a grace it is revoked.
   * Of several at once, one succeeds.
   */
  async supersede(tx: TenantTx, id: string, successorId: string, graceSeconds: number): Promise<boolean> {
    const [, affected] = await tx.manager.query<[unknown[], number]>(
      `UPDATE api_keys SET rotated_to = $3, updated_at = now(), revoked_at = CASE WHEN $4 = 0 THEN now() END,
              expires_at = CASE WHEN $4 = 0 THEN expires_at ELSE LEAST(expires_at, now() + make_interval(secs => $4)) END
        WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL AND rotated_to IS NULL AND (expires_at IS NULL OR expires_at > now())`,
      [tx.tenantId, id, successorId, graceSeconds],
    );
    return affected === 1;
  }

  /** How many of these are no databases of the tenant. */
  async countUnknownDatabases(tx: TenantTx, ids: readonly string[]): Promise<number> {
    const rows = await tx.manager.query<{ unknown: number }[]>(
      `SELECT count(*)::int AS unknown FROM unnest($2::uuid[]) AS named (id)
        WHERE NOT EXISTS (SELECT FROM databases d WHERE d.tenant_id = $1 AND d.id = named.id AND d.deleted_at IS NULL)`,
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
    if (filter.createdAfter) query.andWhere('key.created_at > :createdAfter', { createdAfter: filter.createdAfter });
    if (filter.createdBefore) query.andWhere('key.created_at < :createdBefore', { createdBefore: filter.createdBefore });
    if (filter.lastUsedAfter) query.andWhere('key.last_used_at > :lastUsedAfter', { lastUsedAfter: filter.lastUsedAfter });
    if (filter.lastUsedBefore) query.andWhere('key.last_used_at < :lastUsedBefore', { lastUsedBefore: filter.lastUsedBefore });
    return query;
  }
}
