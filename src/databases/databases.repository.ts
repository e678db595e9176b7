import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import { DatabaseEntity } from './database.entity.js';
import { DatabaseServerEntity, type ServerType } from './database-server.entity.js';

/** A database beside what it holds. */
export interface DatabaseOverview {
  id: string;
  name: string;
  description: string | null;
  serverId: string;
  serverType: ServerType;
  collectionName: string;
  embeddingModel: string;
  dimensions: number;
  createdAt: Date;
  documentCount: number;
  vectorPoints: number;
  sizeBytes: number;
  lastUpdated: Date;
}

export type NewDatabase = Pick<DatabaseEntity, 'id' | 'serverId' | 'name' | 'collectionName' | 'embeddingModel' | 'dimensions'> & { description?: string };

export interface DatabasePage {
  limit: number;
  before: string | null;
  /** Only these; null is all. */
  ids: readonly string[] | null;
}

const OVERVIEW = `SELECT d.id, d.name, d.description, d.server_id AS "serverId", s.type AS "serverType", d.collection_name AS "collectionName",
    d.embedding_model AS "embeddingModel", d.dimensions, d.created_at AS "createdAt", held.count::int AS "documentCount",
    held.points::int AS "vectorPoints", held.bytes::float8 AS "sizeBytes", COALESCE(held.changed, d.updated_at) AS "lastUpdated"
  FROM databases d JOIN database_servers s ON s.tenant_id = d.tenant_id AND s.id = d.server_id
  CROSS JOIN LATERAL (
    SELECT count(*) AS count, COALESCE(sum(chunk_count), 0) AS points, COALESCE(sum(size_bytes), 0) AS bytes, max(updated_at) AS changed
      FROM documents WHERE tenant_id = d.tenant_id AND database_id = d.id AND state <> 'DELETED'
  ) held`;

@Injectable()
export class DatabasesRepository {
  async insertServer(tx: TenantTx, server: Pick<DatabaseServerEntity, 'id' | 'name' | 'type'>): Promise<void> {
    await tx.manager.insert(DatabaseServerEntity, { ...server, tenantId: tx.tenantId });
  }

  findServer(tx: TenantTx, type: ServerType): Promise<DatabaseServerEntity | null> {
    return tx.manager.findOne(DatabaseServerEntity, { where: { tenantId: tx.tenantId, type } });
  }

  async insert(tx: TenantTx, database: NewDatabase): Promise<void> {
    await tx.manager.insert(DatabaseEntity, { ...database, tenantId: tx.tenantId });
  }

  /** Also takes back that it is the tenant's default one: then each person's own setting counts again. */
  async remove(tx: TenantTx, id: string): Promise<boolean> {
    const { affected } = await tx.manager.delete(DatabaseEntity, { tenantId: tx.tenantId, id });
    if (affected !== 1) return false;
    await tx.manager.query(`UPDATE tenants SET configuration = configuration - 'defaultDatabaseId' WHERE id = $1 AND configuration ->> 'defaultDatabaseId' = $2`, [tx.tenantId, id]);
    return true;
  }

  findById(tx: TenantTx, id: string): Promise<DatabaseEntity | null> {
    return tx.manager.findOne(DatabaseEntity, { where: { tenantId: tx.tenantId, id } });
  }

  findByName(tx: TenantTx, name: string): Promise<DatabaseEntity | null> {
    return tx.manager.findOne(DatabaseEntity, { where: { tenantId: tx.tenantId, name } });
  }

  hasCollection(tx: TenantTx, collectionName: string): Promise<boolean> {
    return tx.manager.exists(DatabaseEntity, { where: { tenantId: tx.tenantId, collectionName } });
  }

  /** Where uploads go that name no database: to the tenant's default one, or else to the person's. */
  async findDefault(tx: TenantTx, userId: string): Promise<DatabaseEntity | null> {
    const rows = await tx.manager.query<{ id: string }[]>(
      `SELECT COALESCE(of_tenant.id, of_person.id) AS id FROM tenants t
         LEFT JOIN databases of_tenant ON of_tenant.tenant_id = t.id AND of_tenant.id = (t.configuration ->> 'defaultDatabaseId')::uuid
         LEFT JOIN user_settings s ON s.tenant_id = t.id AND s.user_id = $2
         LEFT JOIN databases of_person ON of_person.tenant_id = t.id AND of_person.name = s.default_database
        WHERE t.id = $1 AND COALESCE(of_tenant.id, of_person.id) IS NOT NULL`,
      [tx.tenantId, userId],
    );
    return rows[0] ? this.findById(tx, rows[0].id) : null;
  }

  findAll(tx: TenantTx): Promise<DatabaseEntity[]> {
    return tx.manager.find(DatabaseEntity, { where: { tenantId: tx.tenantId }, order: { id: 'ASC' } });
  }

  async findOverview(tx: TenantTx, id: string): Promise<DatabaseOverview | null> {
    const rows = await tx.manager.query<DatabaseOverview[]>(`${OVERVIEW} WHERE d.tenant_id = $1 AND d.id = $2`, [tx.tenantId, id]);
    return rows[0] ?? null;
  }

  listNewestFirst(tx: TenantTx, page: DatabasePage): Promise<DatabaseOverview[]> {
    return tx.manager.query<DatabaseOverview[]>(
      `${OVERVIEW} WHERE d.tenant_id = $1 AND ($2::uuid IS NULL OR d.id < $2) AND ($3::uuid[] IS NULL OR d.id = ANY ($3)) ORDER BY d.id DESC LIMIT $4`,
      [tx.tenantId, page.before, page.ids, page.limit],
    );
  }
}
