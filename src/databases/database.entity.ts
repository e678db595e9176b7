import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A named set of documents with one collection in one vector database. */
@Entity('databases')
export class DatabaseEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'uuid' })
  tenantId: string;

  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ name: 'server_id', type: 'uuid' })
  serverId: string;

  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text', nullable: true })
  description: string | null;

  @Column({ name: 'collection_name', type: 'text' })
  collectionName: string;

  /** Fixed at creation: vectors of two models cannot be compared. */
  @Column({ name: 'embedding_model', type: 'text' })
  embeddingModel: string;

  @Column({ type: 'integer' })
  dimensions: number;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt: Date;
}
