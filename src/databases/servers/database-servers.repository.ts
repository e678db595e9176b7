import { Injectable } from '@nestjs/common';
import { Not } from 'typeorm';
import type { SystemTx, TenantTx } from '../../persistence/transactions.js';
import { DatabaseServerEntity } from './database-server.entity.js';

/** A server as it is shown: whether it has secrets, and not which. */
export type DatabaseServerOverview = Omit<DatabaseServerEntity, 'tenantId' | 'password' | 'apiKey' | 'revision'> & {
  hasPassword: boolean;
  hasApiKey: boolean;
  /** On it, those included that are still being deleted. */
  databases: number;
};

export type ServerChange = Partial<Omit<DatabaseServerEntity, 'tenantId' | 'id' | 'createdAt' | 'updatedAt'>>;

/** What was found out about a server as it was at a revision. */
export type ServerCheck = Pick<DatabaseServerEntity, 'id' | 'revision' | 'healthError'>;

const OVERVIEW = `SELECT s.id, s.name, s.type, s.host, s.port, s.username, s.database, s.collection, s.config, s.is_active AS "isActive",
    s.password IS NOT NULL AS "hasPassword", s.api_key IS NOT NULL AS "hasApiKey", s.last_connected_at AS "lastConnectedAt", s.health,
    s.health_checked_at AS "healthCheckedAt", s.health_error AS "healthError", s.created_at AS "createdAt", s.updated_at AS "updatedAt",
    (SELECT count(*)::int FROM databases d WHERE d.tenant_id = s.tenant_id AND d.server_id = s.id) AS databases
  FROM database_servers s`;

@Injectable()
export class DatabaseServersRepository {
  findById(tx: TenantTx, id: string): Promise<DatabaseServerEntity | null> {
    return tx.manager.findOne(DatabaseServerEntity, { where: { tenantId: tx.tenantId, id } });
  }

  /** Every tenant has one. */
  findEmbedded(tx: TenantTx): Promise<DatabaseServerEntity | null> {
    return tx.manager.findOne(DatabaseServerEntity, { where: { tenantId: tx.tenantId, type: 'EMBEDDED' } });
  }

  listRemote(tx: TenantTx): Promise<DatabaseServerEntity[]> {
    return tx.manager.find(DatabaseServerEntity, { where: { tenantId: tx.tenantId, type: Not('EMBEDDED') } });
  }

  async insert(tx: TenantTx, server: Pick<DatabaseServerEntity, 'id' | 'name' | 'type'> & Partial<DatabaseServerEntity>): Promise<void> {
    await tx.manager.insert(DatabaseServerEntity, { ...server, tenantId: tx.tenantId });
  }

  async findOverview(tx: TenantTx, id: string): Promise<DatabaseServerOverview | null> {
    const rows = await tx.manager.query<DatabaseServerOverview[]>(`${OVERVIEW} WHERE s.tenant_id = $1 AND s.id = $2`, [tx.tenantId, id]);
    return rows[0] ?? null;
  }

  listNewestFirst(tx: TenantTx, page: { limit: number; before: string | null }): Promise<DatabaseServerOverview[]> {
    return tx.manager.query<DatabaseServerOverview[]>(`${OVERVIEW} WHERE s.tenant_id = $1 AND ($2::uuid IS NULL OR s.id < $2) ORDER BY s.id DESC LIMIT $3`, [
      tx.tenantId,
      page.before,
      page.limit,
    ]);
  }

  /** Until the transaction ends nobody changes it, removes it or puts a database on it. */
  lockById(tx: TenantTx, id: string): Promise<DatabaseServerEntity | null> {
    return tx.manager.findOne(DatabaseServerEntity, { where: { tenantId: tx.tenantId, id }, lock: { mode: 'pessimistic_write' } });
  }

  /** How many there are, while nobody else of the tenant makes one. */
  async lockNumber(tx: TenantTx): Promise<number> {
    await tx.manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`database servers ${tx.tenantId}`]);
    return tx.manager.countBy(DatabaseServerEntity, { tenantId: tx.tenantId });
  }

  /** Those on it that are still being deleted as well: their collections are there until then. */
  async countDatabases(tx: TenantTx, id: string): Promise<number> {
    const rows = await tx.manager.query<{ count: number }[]>('SELECT count(*)::int AS count FROM databases WHERE tenant_id = $1 AND server_id = $2', [tx.tenantId, id]);
    return rows[0]!.count;
  }

  async update(tx: TenantTx, id: string, change: ServerChange): Promise<void> {
    await tx.manager.update(DatabaseServerEntity, { tenantId: tx.tenantId, id }, { ...change, updatedAt: new Date() });
  }

  async remove(tx: TenantTx, id: string): Promise<void> {
    await tx.manager.delete(DatabaseServerEntity, { tenantId: tx.tenantId, id });
  }

  /** Nothing when the server has changed since it was asked. */
  async recordCheck(tx: TenantTx, { id, revision, healthError }: ServerCheck): Promise<void> {
    await tx.manager.query(
      `UPDATE database_servers SET health = CASE WHEN $4::jsonb IS NULL THEN 'healthy' ELSE 'unhealthy' END, health_error = $4, health_checked_at = now(),
              last_connected_at = CASE WHEN $4::jsonb IS NULL THEN now() ELSE last_connected_at END
        WHERE tenant_id = $1 AND id = $2 AND revision = $3`,
      [tx.tenantId, id, revision, healthError && JSON.stringify(healthError)],
    );
  }

  /** Of all tenants that work, those that were not looked at for so long, the longest first. */
  listDue(tx: SystemTx, seconds: number, limit: number): Promise<{ tenantId: string; id: string }[]> {
    const due = (condition: string): string => `(
      SELECT s.tenant_id, s.id, s.health_checked_at FROM database_servers s
       WHERE s.type <> 'EMBEDDED' AND s.is_active AND ${condition} AND EXISTS (SELECT FROM tenants t WHERE t.id = s.tenant_id AND t.status IN ('active', 'trial'))
       ORDER BY s.health_checked_at NULLS FIRST, s.tenant_id, s.id LIMIT $2)`;
    return tx.manager.query<{ tenantId: string; id: string }[]>(
      `SELECT tenant_id AS "tenantId", id FROM (${due('s.health_checked_at IS NULL')} UNION ALL ${due('s.health_checked_at < now() - make_interval(secs => $1)')}) due
        ORDER BY health_checked_at NULLS FIRST, tenant_id, id LIMIT $2`,
      [seconds, limit],
    );
  }
}
