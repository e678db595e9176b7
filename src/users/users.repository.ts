import { Injectable } from '@nestjs/common';
import type { AnyTx, SystemTx, TenantTx } from '../persistence/transactions.js';
import { UserEntity } from './user.entity.js';
import { UserSettingsEntity } from './user-settings.entity.js';

export type NewUser = Pick<UserEntity, 'id' | 'tenantId' | 'name' | 'email' | 'emailKey' | 'passwordHash' | 'avatar' | 'role'>;
/** Undefined leaves a column as it is. */
export type UserChange = Partial<Pick<UserEntity, 'name' | 'email' | 'emailKey' | 'avatar' | 'passwordHash' | 'lastLoginAt'>>;
export type SettingsChange = Partial<Pick<UserSettingsEntity, 'theme' | 'language' | 'notifications' | 'autoSave' | 'defaultDatabase'>>;

@Injectable()
export class UsersRepository {
  async insert(tx: AnyTx, user: NewUser): Promise<void> {
    await tx.manager.insert(UserEntity, user);
    await tx.manager.insert(UserSettingsEntity, { tenantId: user.tenantId, userId: user.id });
  }

  findByEmail(tx: SystemTx, emailKey: string): Promise<UserEntity | null> {
    return tx.manager.findOne(UserEntity, { where: { emailKey } });
  }

  findById(tx: TenantTx, id: string): Promise<UserEntity | null> {
    return tx.manager.findOne(UserEntity, { where: { tenantId: tx.tenantId, id } });
  }

  async update(tx: AnyTx, tenantId: string, id: string, change: UserChange): Promise<void> {
    await tx.manager.update(UserEntity, { tenantId, id }, { ...change, updatedAt: new Date() });
  }

  findSettings(tx: TenantTx, userId: string): Promise<UserSettingsEntity | null> {
    return tx.manager.findOne(UserSettingsEntity, { where: { tenantId: tx.tenantId, userId } });
  }

  async databaseExists(tx: TenantTx, name: string): Promise<boolean> {
    const rows = await tx.manager.query<unknown[]>('SELECT FROM databases WHERE tenant_id = $1 AND name = $2', [tx.tenantId, name]);
    return rows.length > 0;
  }

  async updateSettings(tx: TenantTx, userId: string, change: SettingsChange): Promise<void> {
    await tx.manager.update(UserSettingsEntity, { tenantId: tx.tenantId, userId }, { ...change, updatedAt: new Date() });
  }

  async administratorExists(tx: SystemTx): Promise<boolean> {
    return tx.manager.exists(UserEntity, { where: { role: 'ADMIN' } });
  }
}
