import { Injectable } from '@nestjs/common';
import type { QueryDeepPartialEntity } from 'typeorm';
import type { TenantStatus } from '../common/principal.js';
import type { AnyTx } from '../persistence/transactions.js';
import { TenantEntity } from './tenant.entity.js';

/** A tenant beside the person who owns it. */
export interface TenantOverview {
  id: string;
  status: TenantStatus;
  configuration: Record<string, unknown>;
  metadata: Record<string, unknown>;
  createdAt: Date;
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

const OVERVIEW = `SELECT t.id, t.status, t.configuration, t.metadata, t.created_at AS "createdAt", u.id AS "userId",
  u.name AS "userName", u.email AS "userEmail", u.last_login_at AS "lastLoginAt"
  FROM tenants t JOIN users u ON u.tenant_id = t.id`;

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

  async update(tx: AnyTx, tenantId: string, change: Partial<Pick<TenantEntity, 'status' | 'metadata'>>): Promise<boolean> {
    const { affected } = await tx.manager.update(TenantEntity, { id: tenantId }, { ...change, updatedAt: new Date() } as QueryDeepPartialEntity<TenantEntity>);
    return affected === 1;
  }
}
