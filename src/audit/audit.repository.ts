import { Injectable } from '@nestjs/common';
import { idsMadeWithin } from '../common/id-range.js';
import type { AnyTx } from '../persistence/transactions.js';
import type { AuditEntry, AuditFilter } from './audit-entry.js';

const COLUMNS = `id, tenant_id AS "tenantId", created_at AS "createdAt", actor_type AS "actorType", actor_id AS "actorId", api_key_id AS "apiKeyId", action,
  target_type AS "targetType", target_id AS "targetId", result, request_id AS "requestId", target_name AS "targetName", ip, user_agent AS "userAgent", changes`;

/** The condition as SQL, and what stands for its placeholders. */
interface Condition {
  sql: string;
  values: unknown[];
}

/** Conditions that leave the index of the filter to be used: an exact value each, and a range of ids, which every index ends with. */
function conditionOf(filter: AuditFilter, before: string | null = null): Condition {
  const values: unknown[] = [];
  const conditions: string[] = [];
  const add = (comparison: string, value: unknown): void => {
    if (value === undefined || value === null) return;
    values.push(value);
    conditions.push(`${comparison} $${values.length}`);
  };
  const { from, to } = idsMadeWithin(filter.createdAfter, filter.createdBefore);
  // Said of every entry, and what opens the indexes over all tenants (migration 23).
  if (filter.tenantId === undefined) conditions.push('char_length(action) > 0');
  add('tenant_id =', filter.tenantId);
  add('actor_id =', filter.actorId);
  add('actor_type =', filter.actorType);
  add('api_key_id =', filter.apiKeyId);
  add('api_key_id =', filter.onlyOfKey);
  if (filter.action?.endsWith('.*')) add('resource =', filter.action.slice(0, -2));
  else add('action =', filter.action);
  add('target_type =', filter.targetType);
  add('target_id =', filter.targetId);
  add('result =', filter.result);
  // Nearly all are successes, and the rest has an index of its own.
  if (filter.result !== undefined && filter.result !== 'success') conditions.push(`result <> 'success'`);
  add('request_id =', filter.requestId);
  add('ip =', filter.ip);
  add('created_at >', filter.createdAfter);
  add('id >=', from);
  add('created_at <', filter.createdBefore);
  add('id <', to);
  add('id <', before);
  return { sql: conditions.join(' AND '), values };
}

@Injectable()
export class AuditRepository {
  listNewestFirst(tx: AnyTx, filter: AuditFilter, page: { limit: number; before: string | null }): Promise<AuditEntry[]> {
    const { sql, values } = conditionOf(filter, page.before);
    return tx.manager.query<AuditEntry[]>(`SELECT ${COLUMNS} FROM audit_entries WHERE ${sql} ORDER BY id DESC LIMIT $${values.length + 1}`, [...values, page.limit]);
  }

  async count(tx: AnyTx, filter: AuditFilter): Promise<number> {
    const { sql, values } = conditionOf(filter);
    const [row] = await tx.manager.query<{ total: number }[]>(`SELECT count(*)::float8 AS total FROM audit_entries WHERE ${sql}`, values);
    return row!.total;
  }
}
