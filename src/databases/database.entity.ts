import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ChunkingStrategy } from '../common/chunking.js';
import type { EmbeddingProvider } from '../embeddings/embedder.js';
import type { ServerType } from './servers/database-server.entity.js';
import type { Distance } from './vector-stores/vector-store.js';

/** A named set of documents with one collection in one vector database. */
@Entity('databases')
export class DatabaseEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'uuid' })
  tenantId: string;

  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ name: 'server_id', type: 'uuid' })
  serverId: string;

  /** The server's, which cannot change while this refers to it. */
  @Column({ name: 'server_type', type: 'text' })
  serverType: ServerType;

  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text', nullable: true })
  description: string | null;

  /** `user_{user}_{name}`: what people see. What the server calls it follows from the generation. */
  @Column({ name: 'collection_name', type: 'text' })
  collectionName: string;

  /** Which of its collections is read and written. */
  @Column({ type: 'integer' })
  generation: number;

  /** The highest ever begun. */
  @Column({ name: 'last_generation', type: 'integer' })
  lastGeneration: number;

  /** null is the one of the installation. */
  @Column({ name: 'embedding_provider', type: 'text', nullable: true })
  embeddingProvider: EmbeddingProvider | null;

  /** Changed by a reindex only: vectors of two models cannot be compared. */
  @Column({ name: 'embedding_model', type: 'text' })
  embeddingModel: string;

  @Column({ type: 'integer' })
  dimensions: number;

  @Column({ name: 'embedding_url', type: 'text', nullable: true })
  embeddingUrl: string | null;

  /** Sealed. */
  @Column({ name: 'embedding_api_key', type: 'bytea', nullable: true })
  embeddingApiKey: Buffer | null;

  @Column({ type: 'text' })
  distance: Distance;

  /** null is the tenant's configuration. */
  @Column({ name: 'chunk_size', type: 'integer', nullable: true })
  chunkSize: number | null;

  @Column({ name: 'chunk_overlap', type: 'integer', nullable: true })
  chunkOverlap: number | null;

  @Column({ name: 'chunking_strategy', type: 'text', nullable: true })
  chunkingStrategy: ChunkingStrategy | null;

  /** Nobody sees it any more; its documents are being removed. */
  @Column({ name: 'deleted_at', type: 'timestamptz', nullable: true })
  deletedAt: Date | null;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt: Date;
}
