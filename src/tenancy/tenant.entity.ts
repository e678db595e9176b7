import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { TenantStatus } from '../common/principal.js';
import type { StoredConfiguration } from './tenant-configuration.js';

@Entity('tenants')
export class TenantEntity {
  @PrimaryColumn({ type: 'uuid' })
  id: string;

  @Column({ type: 'text' })
  status: TenantStatus;

  @Column({ type: 'jsonb' })
  configuration: StoredConfiguration;

  @Column({ type: 'jsonb' })
  metadata: Record<string, unknown>;

  /** Set once and for good: everything of the tenant is being removed, this row last. */
  @Column({ name: 'purge_requested_at', type: 'timestamptz', nullable: true })
  purgeRequestedAt: Date | null;

  @Column({ name: 'created_at', type: 'timestamptz' })
  createdAt: Date;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt: Date;
}
