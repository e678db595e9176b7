import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import type { ChunkingStrategy } from '../common/chunking.js';
import type { EmbeddingProvider } from '../embeddings/embedder.js';
import type { TenantTx } from '../persistence/transactions.js';
import { DatabaseEntity } from './database.entity.js';
import type { ServerType } from './servers/database-server.entity.js';
import type { ReindexStatus } from './reindexes/reindex.entity.js';
import type { Distance } from './vector-stores/vector-store.js';

/** A database beside what it holds. */
export interface DatabaseOverview {
  id: string;
  name: string;
  description: string | null;
  serverId: string;
  serverType: ServerType;
  collectionName: string;
  generation: number;
  embeddingProvider: EmbeddingProvider | null;
  embeddingModel: string;
  dimensions: number;
  embeddingUrl: string | null;
  hasEmbeddingApiKey: boolean;
  distance: Distance;
  chunkSize: number | null;
  chunkOverlap: number | null;
  chunkingStrategy: ChunkingStrategy | null;
  createdAt: Date;
  reindex: { id: string; status: ReindexStatus; documents_total: number; documents_done: number } | null;
  documentCount: number;
  vectorPoints: number;
  sizeBytes: number;
  lastUpdated: Date;
}

export type NewDatabase = Omit<DatabaseEntity, 'tenantId' | 'generation' | 'lastGeneration' | 'deletedAt' | 'createdAt' | 'updatedAt'>;

export type DatabasePatch = Partial<Omit<DatabaseEntity, 'tenantId' | 'id' | 'createdAt' | 'updatedAt'>>;

export interface DatabasePage {
  limit: number;
  before: string | null;
  /** Only these; null is all. */
  ids: readonly string[] | null;
}

const overviewOf = (databases: string): string => `SELECT d.id, d.name, d.description, d.server_id AS "serverId", d.server_type AS "serverType", d.collection_name AS "collectionName",
    d.generation, d.embedding_provider AS "embeddingProvider", d.embedding_model AS "embeddingModel", d.dimensions, d.embedding_url AS "embeddingUrl",
    d.embedding_api_key IS NOT NULL AS "hasEmbeddingApiKey", d.distance, d.chunk_size AS "chunkSize", d.chunk_overlap AS "chunkOverlap",
    d.chunking_strategy AS "chunkingStrategy", d.created_at AS "createdAt",
    (SELECT jsonb_build_object('id', r.id, 'status', r.status, 'documents_total', r.documents_total, 'documents_done', r.documents_done)
       FROM reindexes r WHERE r.tenant_id = d.tenant_id AND r.database_id = d.id ORDER BY r.id DESC LIMIT 1) AS reindex,
    held.count::int AS "documentCount",
    held.points::int AS "vectorPoints", held.bytes::float8 AS "sizeBytes", COALESCE(held.changed, d.updated_at) AS "lastUpdated"
  FROM ${databases} d
  CROSS JOIN LATERAL (
    SELECT count(*) AS count, COALESCE(sum(chunk_count), 0) AS points, COALESCE(sum(size_bytes), 0) AS bytes, max(updated_at) AS changed
      FROM documents WHERE tenant_id = d.tenant_id AND database_id = d.id AND state <> 'DELETED'
  ) held`;

@Injectable()
export class DatabasesRepository {
  /** As it is now, and stays until the transaction ends unless that changes it. */
  lock(tx: TenantTx, id: string): Promise<DatabaseEntity | null> {
    return tx.manager.findOne(DatabaseEntity, { where: { tenantId: tx.tenantId, id, deletedAt: IsNull() }, lock: { mode: 'for_no_key_update' } });
  }

  async update(tx: TenantTx, id: string, patch: DatabasePatch): Promise<void> {
    await tx.manager.update(DatabaseEntity, { tenantId: tx.tenantId, id }, { ...patch, updatedAt: () => 'now()' });
  }

  async insert(tx: TenantTx, database: NewDatabase): Promise<void> {
    await tx.manager.insert(DatabaseEntity, { ...database, tenantId: tx.tenantId });
  }

  /** Also takes back that it is the tenant's default one: then each person's own setting counts again. */
  async remove(tx: TenantTx, id: string): Promise<boolean> {
    const { affected } = await tx.manager.delete(DatabaseEntity, { tenantId: tx.tenantId, id, deletedAt: IsNull() });
    if (affected !== 1) return false;
    await this.forgetDefault(tx, id);
    return true;
  }

  /** From now on nobody sees it, and its name is free. The row stays for those who remove what is in it. */
  async hide(tx: TenantTx, id: string): Promise<boolean> {
    const { affected } = await tx.manager.update(DatabaseEntity, { tenantId: tx.tenantId, id, deletedAt: IsNull() }, { deletedAt: () => 'now()' });
    if (affected !== 1) return false;
    await this.forgetDefault(tx, id);
    return true;
  }

  /** The last of one that was hidden before, as soon as no document refers to it. Whether it is gone. */
  async forget(tx: TenantTx, id: string): Promise<boolean> {
    await tx.manager.query(
      `DELETE FROM databases d WHERE d.tenant_id = $1 AND d.id = $2 AND d.deleted_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM documents o WHERE o.tenant_id = d.tenant_id AND o.database_id = d.id)`,
      [tx.tenantId, id],
    );
    return (await this.findEvenDeleted(tx, id)) === null;
  }

  private async forgetDefault(tx: TenantTx, id: string): Promise<void> {
    await tx.manager.query(`UPDATE tenants SET configuration = configuration - 'defaultDatabaseId' WHERE id = $1 AND configuration ->> 'defaultDatabaseId' = $2`, [tx.tenantId, id]);
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

  /** Whether any database that is seen keeps its vectors there. */
  hasCollection(tx: TenantTx, { serverId, collectionName, generation }: Pick<DatabaseEntity, 'serverId' | 'collectionName' | 'generation'>): Promise<boolean> {
    return tx.manager.exists(DatabaseEntity, { where: { tenantId: tx.tenantId, serverId, collectionName, generation, deletedAt: IsNull() } });
  }

  /** Shared by those who write into its collection; a reindex that is about to swap it waits for them, and they for it. */
  async holdGeneration(tx: TenantTx, id: string): Promise<void> {
    await tx.manager.query('SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))', [`generation ${tx.tenantId} ${id}`]);
  }

  /** Waits until nobody writes into the present collection any more, and keeps others from it. */
  async lockGeneration(tx: TenantTx, id: string): Promise<void> {
    await tx.manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`generation ${tx.tenantId} ${id}`]);
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
    const rows = await tx.manager.query<DatabaseOverview[]>(`${overviewOf('databases')} WHERE d.tenant_id = $1 AND d.id = $2 AND d.deleted_at IS NULL`, [tx.tenantId, id]);
    return rows[0] ?? null;
  }

  listNewestFirst(tx: TenantTx, page: DatabasePage): Promise<DatabaseOverview[]> {
    return tx.manager.query<DatabaseOverview[]>(
      // The page first: what a database holds is counted, and whoever has a thousand of them waits for those that are shown only.
      `${overviewOf('(SELECT * FROM databases WHERE tenant_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid[] IS NULL OR id = ANY ($3)) ORDER BY id DESC LIMIT $4)')} ORDER BY d.id DESC`,
      [tx.tenantId, page.before, page.ids, page.limit],
    );
  }
}
