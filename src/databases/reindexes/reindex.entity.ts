import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { EmbeddingProvider } from '../../embeddings/embedder.js';
import type { DatabaseEntity } from '../database.entity.js';
import type { Distance } from '../vector-stores/vector-store.js';

export const REINDEX_STATUSES = ['RUNNING', 'FINISHED', 'FAILED', 'CANCELLED'] as const;
export type ReindexStatus = (typeof REINDEX_STATUSES)[number];

/** The way of a database into another collection, with another model or none. */
@Entity('reindexes')
export class ReindexEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'uuid' })
  tenantId: string;

  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ name: 'database_id', type: 'uuid' })
  databaseId: string;

  @Column({ name: 'user_id', type: 'uuid' })
  userId: string;

  @Column({ type: 'text' })
  status: ReindexStatus;

  /** Of the collection that it makes. */
  @Column({ type: 'integer' })
  generation: number;

  @Column({ name: 'embedding_provider', type: 'text', nullable: true })
  embeddingProvider: EmbeddingProvider | null;

  @Column({ name: 'embedding_model', type: 'text' })
  embeddingModel: string;

  @Column({ type: 'integer' })
  dimensions: number;

  @Column({ name: 'embedding_url', type: 'text', nullable: true })
  embeddingUrl: string | null;

  /** Sealed at the database's place. */
  @Column({ name: 'embedding_api_key', type: 'bytea', nullable: true })
  embeddingApiKey: Buffer | null;

  @Column({ type: 'text' })
  distance: Distance;

  /** When it began, for people. */
  @Column({ name: 'documents_total', type: 'integer' })
  documentsTotal: number;

  @Column({ name: 'documents_done', type: 'integer' })
  documentsDone: number;

  /** Failures in a row. */
  @Column({ type: 'integer' })
  attempt: number;

  @Column({ type: 'jsonb', nullable: true })
  error: { code: string; message: string } | null;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ name: 'ended_at', type: 'timestamptz', nullable: true })
  endedAt: Date | null;
}

/** What a reindex changes of its database. */
export type IndexSettings = Pick<DatabaseEntity, 'generation' | 'embeddingProvider' | 'embeddingModel' | 'dimensions' | 'embeddingUrl' | 'embeddingApiKey' | 'distance'>;

export function settingsOf(reindex: ReindexEntity): IndexSettings {
  const { generation, embeddingProvider, embeddingModel, dimensions, embeddingUrl, embeddingApiKey, distance } = reindex;
  return { generation, embeddingProvider, embeddingModel, dimensions, embeddingUrl, embeddingApiKey, distance };
}
