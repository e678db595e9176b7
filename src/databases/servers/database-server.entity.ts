import { Column, Entity, PrimaryColumn } from 'typeorm';

export const SERVER_TYPES = ['EMBEDDED', 'QDRANT', 'CHROMA', 'PGVECTOR'] as const;
export type ServerType = (typeof SERVER_TYPES)[number];

export const SERVER_HEALTH = ['unknown', 'healthy', 'unhealthy'] as const;
export type ServerHealth = (typeof SERVER_HEALTH)[number];

/** A vector database server that a tenant may put collections on. */
@Entity('database_servers')
export class DatabaseServerEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'uuid' })
  tenantId: string;

  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ type: 'text' })
  name: string;

  /** Fixed while a database uses it. */
  @Column({ type: 'text' })
  type: ServerType;

  /** Of all but the built-in one. */
  @Column({ type: 'text', nullable: true })
  host: string | null;

  @Column({ type: 'integer', nullable: true })
  port: number | null;

  @Column({ type: 'text', nullable: true })
  username: string | null;

  /** The database within the server, where its kind has such. */
  @Column({ type: 'text', nullable: true })
  database: string | null;

  @Column({ type: 'text', nullable: true })
  collection: string | null;

  @Column({ type: 'jsonb' })
  config: object;

  /** Sealed. */
  @Column({ type: 'bytea', nullable: true })
  password: Buffer | null;

  /** Sealed. */
  @Column({ name: 'api_key', type: 'bytea', nullable: true })
  apiKey: Buffer | null;

  /** Counts changes of how it is reached, so that no connection outlives one. */
  @Column({ type: 'integer' })
  revision: number;

  @Column({ name: 'is_active', type: 'boolean' })
  isActive: boolean;

  @Column({ name: 'last_connected_at', type: 'timestamptz', nullable: true })
  lastConnectedAt: Date | null;

  @Column({ type: 'text' })
  health: ServerHealth;

  @Column({ name: 'health_checked_at', type: 'timestamptz', nullable: true })
  healthCheckedAt: Date | null;

  @Column({ name: 'health_error', type: 'jsonb', nullable: true })
  healthError: { code: string; message: string } | null;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt: Date;
}
