import { Column, Entity, PrimaryColumn } from 'typeorm';
import { bigintColumn } from '../persistence/columns.js';
import type { QuotaLevel } from './quota-level.js';

export const RESOURCES = ['documents', 'storage_mb', 'api_calls_per_hour', 'vector_points', 'databases', 'api_keys'] as const;
/** `storage_mb` is named after its unit on the wire and counted in bytes. */
export type Resource = (typeof RESOURCES)[number];

export const BYTES_PER_MIB = 1024 * 1024;

export const DEFAULT_LIMITS: Readonly<Record<Resource, number>> = {
  documents: 1000,
  storage_mb: 10_000 * BYTES_PER_MIB,
  api_calls_per_hour: 1000,
  vector_points: 100_000,
  databases: 10,
  api_keys: 20,
};

@Entity('tenant_quotas')
export class QuotaEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'uuid' })
  tenantId: string;

  @PrimaryColumn({ type: 'text' })
  resource: Resource;

  /** Null is unlimited. */
  @Column({ name: 'hard_limit', type: 'bigint', nullable: true, transformer: bigintColumn })
  hardLimit: number | null;

  @Column({ type: 'bigint', transformer: bigintColumn })
  used: number;

  @Column({ type: 'bigint', transformer: bigintColumn })
  reserved: number;

  @Column({ name: 'warning_threshold', type: 'smallint' })
  warningThreshold: number;

  /** What PostgreSQL makes of the other columns; every change of it publishes an event. */
  @Column({ type: 'text', insert: false, update: false })
  level: QuotaLevel;
}
