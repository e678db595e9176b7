import { v7 as uuidv7 } from 'uuid';
import { TENANT_STATUSES, type Role, type TenantStatus } from '../../src/common/principal.js';
import { RESOURCES, type Resource } from '../../src/tenancy/quota.entity.js';
import type { TestDatabase } from './test-database.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A tenant and the one person in it, whose id is the same. */
export interface SeededTenant {
  id: string;
  status: TenantStatus;
  name: string;
  email: string;
  role: Role;
  isActive: boolean;
  createdAt: Date;
  lastLogin: Date | null;
  isOverQuota: boolean;
}

interface SeededQuota {
  resource: Resource;
  hardLimit: number | null;
  used: number;
  reserved: number;
}

const QUOTA_CASES: readonly (SeededQuota & { isOver: boolean })[] = [
  { resource: 'documents', hardLimit: 100, used: 100, reserved: 0, isOver: true },
  { resource: 'vector_points', hardLimit: 100, used: 60, reserved: 40, isOver: true },
  { resource: 'databases', hardLimit: 3, used: 5, reserved: 0, isOver: true },
  { resource: 'api_keys', hardLimit: 0, used: 0, reserved: 0, isOver: true },
  { resource: 'storage_mb', hardLimit: null, used: 10 ** 15, reserved: 0, isOver: false },
  { resource: 'api_calls_per_hour', hardLimit: 0, used: 0, reserved: 0, isOver: false },
  { resource: 'documents', hardLimit: 100, used: 99, reserved: 0, isOver: false },
];

/** Of every hundred tenants the first ones have something peculiar about a quota. */
const quotaCaseOf = (at: number): (typeof QUOTA_CASES)[number] | undefined => QUOTA_CASES[at % 100];

/** Oldest first: one every hour and a half until yesterday. A few came from elsewhere, and are older than their ids say. */
function makeTenants(count: number): SeededTenant[] {
  const end = Date.now() - DAY_MS;
  return Array.from({ length: count }, (_, at) => {
    const msecs = end - (count - at) * 1.5 * HOUR_MS;
    const lastLogin = at % 3 === 0 ? null : new Date(Math.min(msecs + (at % 400) * DAY_MS, end));
    return {
      id: uuidv7({ msecs }),
      status: TENANT_STATUSES[(at * 7) % 11 % 4]!,
      name: `${['Ada', 'Bruno', 'Çelik', 'Dörte'][at % 4]} No. ${at}`,
      email: `Person-${at}@dept${at % 50}.Example.org`,
      role: at % 500 === 1 ? 'ADMIN' : at % 9 === 2 ? 'VIEWER' : 'USER',
      isActive: at % 13 !== 5,
      createdAt: new Date(at % 97 === 3 ? msecs - 1000 * DAY_MS : msecs),
      lastLogin,
      isOverQuota: quotaCaseOf(at)?.isOver ?? false,
    };
  });
}

/** Tenants, their people and their quotas, as rows; answers them newest first, as lists do. */
export async function seedTenants(database: TestDatabase, count = 10_000): Promise<SeededTenant[]> {
  const tenants = makeTenants(count);
  const rows = JSON.stringify(tenants);
  const columns = '(id uuid, status text, name text, email text, role text, "isActive" boolean, "createdAt" timestamptz, "lastLogin" timestamptz)';
  await database.seed(`INSERT INTO tenants (id, status, created_at) SELECT id, status, "createdAt" FROM jsonb_to_recordset($1) AS t ${columns}`, [rows]);
  await database.seed(
    `INSERT INTO users (id, tenant_id, name, email, email_key, password_hash, role, is_active, created_at, last_login_at)
     SELECT id, id, name, email, lower(email), 'x', role, "isActive", "createdAt", "lastLogin" FROM jsonb_to_recordset($1) AS t ${columns}`,
    [rows],
  );
  const peculiar = tenants.flatMap(({ id }, at) => (quotaCaseOf(at) ? [{ ...quotaCaseOf(at), tenantId: id }] : []));
  await database.seed(
    `INSERT INTO tenant_quotas (tenant_id, resource, hard_limit, used, reserved)
     SELECT t.id, r.resource, CASE WHEN q.resource IS NULL THEN 1000 ELSE q."hardLimit" END, COALESCE(q.used, 1), COALESCE(q.reserved, 0)
       FROM jsonb_to_recordset($1) AS t (id uuid) CROSS JOIN unnest($2::text[]) AS r (resource)
       LEFT JOIN jsonb_to_recordset($3) AS q ("tenantId" uuid, resource text, "hardLimit" bigint, used bigint, reserved bigint) ON q."tenantId" = t.id AND q.resource = r.resource`,
    [rows, RESOURCES, JSON.stringify(peculiar)],
  );
  await database.query('ANALYZE tenants, users, tenant_quotas');
  return tenants.toReversed();
}
