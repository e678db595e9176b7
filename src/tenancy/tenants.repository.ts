import { Injectable } from '@nestjs/common';
import { IsNull, type QueryDeepPartialEntity } from 'typeorm';
import type { TenantStatus } from '../common/principal.js';
import type { AnyTx, SystemTx } from '../persistence/transactions.js';
import type { ConfigurationRow } from './tenant-configuration.repository.js';
import { TenantEntity } from './tenant.entity.js';

/** A tenant beside the person who owns it, and its configuration. */
export interface TenantOverview extends ConfigurationRow {
  id: string;
  status: TenantStatus;
  metadata: Record<string, unknown>;
  createdAt: Date;
  purgeRequestedAt: Date | null;
  userId: string;
  userName: string;
  userEmail: string;
  lastLoginAt: Date | null;
}

export interface TenantFilter {
  status?: TenantStatus;
  emailContains?: string;
  nameContains?: string;
  createdAfter?: Date;
  createdBefore?: Date;
  lastLoginAfter?: Date;
  lastLoginBefore?: Date;
  isOverQuota?: boolean;
}

export interface TenantPage {
  skip: number;
  limit: number;
  before: string | null;
}

const OVERVIEW = `SELECT t.id, t.status, t.metadata, t.created_at AS "createdAt", t.purge_requested_at AS "purgeRequestedAt", u.id AS "userId",
  u.name AS "userName", u.email AS "userEmail", u.last_login_at AS "lastLoginAt", t.configuration AS stored, d.collection_name AS "defaultCollectionName"
  FROM tenants t JOIN users u ON u.tenant_id = t.id LEFT JOIN databases d ON d.tenant_id = t.id AND d.id = (t.configuration ->> 'defaultDatabaseId')::uuid AND d.deleted_at IS NULL`;

/** Calls an hour are counted in a window and not in the row, which knows nothing of them. */
const OVER_QUOTA = `EXISTS (SELECT FROM tenant_quotas q WHERE q.tenant_id = t.id AND q.resource <> 'api_calls_per_hour' AND q.used + q.reserved >= q.hard_limit)`;

function conditions(filter: TenantFilter, before: string | null): { where: string; values: unknown[] } {
  const values: unknown[] = [];
  const clauses: string[] = [];
  const add = (value: unknown, clause: (placeholder: string) => string): void => {
    if (value === undefined || value === null) return;
    values.push(value);
    clauses.push(clause(`$${values.length}`));
  };
  add(filter.status, (p) => `t.status = ${p}`);
  add(filter.emailContains?.normalize('NFKC').toLowerCase(), (p) => `position(${p} in u.email_key) > 0`);
  add(filter.nameContains, (p) => `position(lower(${p}) in lower(u.name)) > 0`);
  add(filter.createdAfter, (p) => `t.created_at > ${p}`);
  add(filter.createdBefore, (p) => `t.created_at < ${p}`);
  add(filter.lastLoginAfter, (p) => `u.last_login_at > ${p}`);
  add(filter.lastLoginBefore, (p) => `u.last_login_at < ${p}`);
  if (filter.isOverQuota !== undefined) clauses.push(filter.isOverQuota ? OVER_QUOTA : `NOT ${OVER_QUOTA}`);
  add(before, (p) => `t.id < ${p}`);
  return { where: ['true', ...clauses].join(' AND '), values };
}

@Injectable()
export class TenantsRepository {
  async insert(tx: AnyTx, tenant: { id: string }): Promise<void> {
    await tx.manager.insert(TenantEntity, tenant);
  }

  async findOverview(tx: AnyTx, tenantId: string): Promise<TenantOverview | null> {
    const rows = await tx.manager.query<TenantOverview[]>(`${OVERVIEW} WHERE t.id = $1`, [tenantId]);
    return rows[0] ?? null;
  }

  async listNewestFirst(tx: AnyTx, filter: TenantFilter, { skip, limit, before }: TenantPage): Promise<TenantOverview[]> {
    const { where, values } = conditions(filter, before);
    const at = values.length;
    return tx.manager.query<TenantOverview[]>(`${OVERVIEW} WHERE ${where} ORDER BY t.id DESC OFFSET $${at + 1} LIMIT $${at + 2}`, [...values, skip, limit]);
  }

  async count(tx: AnyTx, filter: TenantFilter): Promise<number> {
    const { where, values } = conditions(filter, null);
    const rows = await tx.manager.query<{ total: string }[]>(`SELECT count(*) AS total FROM tenants t JOIN users u ON u.tenant_id = t.id WHERE ${where}`, values);
    return Number(rows[0]?.total ?? 0);
  }

  /** Changes a tenant that is to stay. */
  async update(tx: AnyTx, tenantId: string, change: Partial<Pick<TenantEntity, 'status' | 'metadata'>>): Promise<boolean> {
    const { affected } = await tx.manager.update(TenantEntity, { id: tenantId, purgeRequestedAt: IsNull() }, { ...change, updatedAt: new Date() } as QueryDeepPartialEntity<TenantEntity>);
    return affected === 1;
  }

  /** Null when there is no such tenant. Of several at once, one is the first. */
  async requestPurge(tx: SystemTx, tenantId: string): Promise<{ requestedAt: Date; isFirst: boolean } | null> {
    const [first] = await tx.manager.query<[{ requestedAt: Date }[], number]>(
      `UPDATE tenants SET purge_requested_at = now(), status = 'inactive', updated_at = now() WHERE id = $1 AND purge_requested_at IS NULL
       RETURNING purge_requested_at AS "requestedAt"`,
      [tenantId],
    );
    if (first[0]) return { ...first[0], isFirst: true };
    const requestedAt = await this.lockPurgeRequest(tx, tenantId);
    return requestedAt ? { requestedAt, isFirst: false } : null;
  }

  /** When the purge was requested; null when it was not, and then it is not before the transaction ends; undefined when there is no such tenant. */
  async lockPurgeRequest(tx: AnyTx, tenantId: string): Promise<Date | null | undefined> {
    const rows = await tx.manager.query<{ requestedAt: Date | null }[]>('SELECT purge_requested_at AS "requestedAt" FROM tenants WHERE id = $1 FOR SHARE', [tenantId]);
    return rows[0]?.requestedAt;
  }

  /** Takes along what refers to it. */
  async remove(tx: SystemTx, tenantId: string): Promise<void> {
    await tx.manager.query('DELETE FROM tenants WHERE id = $1 AND purge_requested_at IS NOT NULL', [tenantId]);
  }
}
