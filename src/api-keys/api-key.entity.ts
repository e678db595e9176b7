import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Permission } from '../common/principal.js';
import { bigintColumn } from '../persistence/columns.js';

export const ENVIRONMENTS = ['live', 'test'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

export const API_KEY_STATUSES = ['active', 'inactive', 'revoked', 'expired'] as const;
export type ApiKeyStatus = (typeof API_KEY_STATUSES)[number];

@Entity('api_keys')
export class ApiKeyEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'uuid' })
  tenantId: string;

  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ name: 'user_id', type: 'uuid' })
  userId: string;

  @Column({ type: 'text' })
  name: string;

  @Column({ type: 'text', nullable: true })
  description: string | null;

  /** SHA-256 of the whole key; the key itself is stored nowhere. */
  @Column({ name: 'key_hash', type: 'bytea', select: false })
  keyHash: Buffer;

  @Column({ name: 'key_prefix', type: 'text' })
  keyPrefix: string;

  @Column({ type: 'text' })
  environment: Environment;

  @Column({ type: 'text', array: true })
  permissions: Permission[];

  @Column({ name: 'is_active', type: 'boolean' })
  isActive: boolean;

  @Column({ name: 'expires_at', type: 'timestamptz', nullable: true })
  expiresAt: Date | null;

  @Column({ name: 'revoked_at', type: 'timestamptz', nullable: true })
  revokedAt: Date | null;

  @Column({ name: 'rate_limit_per_hour', type: 'integer' })
  rateLimitPerHour: number;

  @Column({ name: 'allowed_ips', type: 'text', array: true })
  allowedIps: string[];

  /** Null is every database of the tenant. */
  @Column({ name: 'database_ids', type: 'uuid', array: true, nullable: true })
  databaseIds: string[] | null;

  @Column({ type: 'jsonb' })
  metadata: object;

  /** The first key of a chain of rotations; its own id for one that was never rotated. */
  @Column({ name: 'lineage_id', type: 'uuid' })
  lineageId: string;

  @Column({ name: 'rotated_from', type: 'uuid', nullable: true })
  rotatedFrom: string | null;

  /** Its successor, which took over its name and its place in the quota. */
  @Column({ name: 'rotated_to', type: 'uuid', nullable: true })
  rotatedTo: string | null;

  @Column({ name: 'last_used_at', type: 'timestamptz', nullable: true })
  lastUsedAt: Date | null;

  @Column({ name: 'usage_count', type: 'bigint', transformer: bigintColumn })
  usageCount: number;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt: Date;
}

export function statusOf(key: Pick<ApiKeyEntity, 'revokedAt' | 'expiresAt' | 'isActive'>, now = new Date()): ApiKeyStatus {
  if (key.revokedAt) return 'revoked';
  if (key.expiresAt && key.expiresAt <= now) return 'expired';
  return key.isActive ? 'active' : 'inactive';
}
