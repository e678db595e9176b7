import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import type { TenantTx } from '../persistence/transactions.js';
import { DatabaseEntity } from './database.entity.js';
import type { ServerType } from './database-server.entity.js';

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

export type NewDatabase = Omit<DatabaseEntity, 'tenantId' | 'generation' | 'lastGeneration' | 'deletedAt' | 'createdAt' | 'updatedAt'>;

export interface DatabasePage {
  limit: number;
  before: string | null;
  /** Only these; null is all. */
  ids: readonly string[] | null;
}

const OVERVIEW = `SELECT d.id, d.name, d.description, d.server_id AS "serverId", d.server_type AS "serverType", d.collection_name AS "collectionName",
    d.embedding_model AS "embeddingModel", d.dimensions, d.created_at AS "createdAt", held.count::int AS "documentCount",
    held.points::int AS "vectorPoints", held.bytes::float8 AS "sizeBytes", COALESCE(held.changed, d.updated_at) AS "lastUpdated"
  FROM databases d
  CROSS JOIN LATERAL (
    SELECT count(*) AS count, COALESCE(sum(chunk_count), 0) AS points, COALESCE(sum(size_bytes), 0) AS bytes, max(updated_at) AS changed
      FROM documents WHERE tenant_id = d.tenant_id AND database_id = d.id AND state <> 'DELETED'
  ) held`;

@Injectable()
export class DatabasesRepository {
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
    return tx.manager.findOne(DatabaseEntity, { where: { tenantId: tx.tenantId, id, deletedAt: IsNull() } });
  }

  /** Also one that nobody sees any more, for whoever clears up after it. */
  findEvenDeleted(tx: TenantTx, id: string): Promise<DatabaseEntity | null> {
    return tx.manager.findOne(DatabaseEntity, { where: { tenantId: tx.tenantId, id } });
  }

  findByName(tx: TenantTx, name: string): Promise<DatabaseEntity | null> {
    return tx.manager.findOne(DatabaseEntity, { where: { tenantId: tx.tenantId, name, deletedAt: IsNull() } });
  }

  hasCollection(tx: TenantTx, { serverId, collectionName }: Pick<DatabaseEntity, 'serverId' | 'collectionName'>): Promise<boolean> {
    return tx.manager.exists(DatabaseEntity, { where: { tenantId: tx.tenantId, serverId, collectionName, deletedAt: IsNull() } });
  }

  /** Shared by those who write into its collection; a reindex that is about to swap it waits for them, and they for it. */
  async holdGeneration(tx: TenantTx, id: string): Promise<void> {
    await tx.manager.query('SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))', [`generation ${tx.tenantId} ${id}`]);
  }

  /** Where uploads go that name no database: to the tenant's default one, or else to the person's. */
  async findDefault(tx: TenantTx, userId: string): Promise<DatabaseEntity | null> {
    const rows = await tx.manager.query<{ id: string }[]>(
      `SELECT COALESCE(of_tenant.id, of_person.id) AS id FROM tenants t
         LEFT JOIN databases of_tenant ON of_tenant.tenant_id = t.id AND of_tenant.id = (t.configuration ->> 'defaultDatabaseId')::uuid AND of_tenant.deleted_at IS NULL
         LEFT JOIN user_settings s ON s.tenant_id = t.id AND s.user_id = $2
         LEFT JOIN databases of_person ON of_person.tenant_id = t.id AND of_person.name = s.default_database AND of_person.deleted_at IS NULL
        WHERE t.id = $1 AND COALESCE(of_tenant.id, of_person.id) IS NOT NULL`,
      [tx.tenantId, userId],
    );
    return rows[0] ? this.findById(tx, rows[0].id) : null;
  }

  findAll(tx: TenantTx): Promise<DatabaseEntity[]> {
    return tx.manager.find(DatabaseEntity, { where: { tenantId: tx.tenantId, deletedAt: IsNull() }, order: { id: 'ASC' } });
  }

  async findOverview(tx: TenantTx, id: string): Promise<DatabaseOverview | null> {
    const rows = await tx.manager.query<DatabaseOverview[]>(`${OVERVIEW} WHERE d.tenant_id = $1 AND d.id = $2 AND d.deleted_at IS NULL`, [tx.tenantId, id]);
    return rows[0] ?? null;
  }

  listNewestFirst(tx: TenantTx, page: DatabasePage): Promise<DatabaseOverview[]> {
    return tx.manager.query<DatabaseOverview[]>(
      `${OVERVIEW} WHERE d.tenant_id = $1 AND d.deleted_at IS NULL AND ($2::uuid IS NULL OR d.id < $2) AND ($3::uuid[] IS NULL OR d.id = ANY ($3)) ORDER BY d.id DESC LIMIT $4`,
      [tx.tenantId, page.before, page.ids, page.limit],
    );
  }
}
