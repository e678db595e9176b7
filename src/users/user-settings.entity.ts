import { Column, Entity, PrimaryColumn } from 'typeorm';

export const THEMES = ['LIGHT', 'DARK', 'SYSTEM'] as const;
export type Theme = (typeof THEMES)[number];

@Entity('user_settings')
export class UserSettingsEntity {
  @PrimaryColumn({ name: 'tenant_id', type: 'uuid' })
  tenantId: string;

  @PrimaryColumn({ name: 'user_id', type: 'uuid' })
  userId: string;

  @Column({ type: 'text' })
  theme: Theme;

  @Column({ type: 'text' })
  language: string;

  @Column({ type: 'boolean' })
  notifications: boolean;

  @Column({ name: 'auto_save', type: 'boolean' })
  autoSave: boolean;

  @Column({ name: 'default_database', type: 'text' })
  defaultDatabase: string;

  @Column({ name: 'updated_at', type: 'timestamptz' })
  updatedAt: Date;
}
