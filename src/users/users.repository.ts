import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import type { AnyTx, SystemTx, TenantTx } from '../persistence/transactions.js';
import { isWorkingTenant, TENANT_STATUSES, type Role } from '../common/principal.js';
import { UserEntity } from './user.entity.js';
import { UserSettingsEntity } from './user-settings.entity.js';

export type NewUser = Pick<UserEntity, 'id' | 'tenantId' | 'name' | 'email' | 'emailKey' | 'passwordHash' | 'avatar' | 'role'>;
/** Undefined leaves a column as it is. */
export type UserChange = Partial<Pick<UserEntity, 'name' | 'email' | 'emailKey' | 'avatar' | 'passwordHash' | 'role' | 'isActive'>>;
export type SettingsChange = Partial<Pick<UserSettingsEntity, 'theme' | 'language' | 'notifications' | 'autoSave' | 'defaultDatabase'>>;

export interface UserFilter {
  role?: Role;
  isActive?: boolean;
  emailContains?: string;
  nameContains?: string;
  createdAfter?: Date;
  createdBefore?: Date;
  lastLoginAfter?: Date;
  lastLoginBefore?: Date;
}

export interface UserPage {
  limit: number;
  before: string | null;
}

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

  /** False when password or standing have changed since they were read. */
  async replacePassword(tx: TenantTx, read: Pick<UserEntity, 'id' | 'passwordHash'>, passwordHash: string): Promise<boolean> {
    const asRead = { tenantId: tx.tenantId, id: read.id, passwordHash: read.passwordHash, isActive: true };
    const { affected } = await tx.manager.update(UserEntity, asRead, { passwordHash, updatedAt: new Date() });
    return affected === 1;
  }

  /** False when the account has changed since it was read. */
  async recordLogin(tx: TenantTx, read: Pick<UserEntity, 'id' | 'passwordHash'>, passwordHash?: string): Promise<boolean> {
    const asRead = { tenantId: tx.tenantId, id: read.id, passwordHash: read.passwordHash, isActive: true };
    const { affected } = await tx.manager.update(UserEntity, asRead, { lastLoginAt: new Date(), passwordHash });
    return affected === 1;
  }

  findSettings(tx: TenantTx, userId: string): Promise<UserSettingsEntity | null> {
    return tx.manager.findOne(UserSettingsEntity, { where: { tenantId: tx.tenantId, userId } });
  }

  async databaseExists(tx: TenantTx, name: string): Promise<boolean> {
    const rows = await tx.manager.query<unknown[]>('SELECT FROM databases WHERE tenant_id = $1 AND name = $2 AND deleted_at IS NULL', [tx.tenantId, name]);
    return rows.length > 0;
  }

  async updateSettings(tx: TenantTx, userId: string, change: SettingsChange): Promise<void> {
    await tx.manager.update(UserSettingsEntity, { tenantId: tx.tenantId, userId }, { ...change, updatedAt: new Date() });
  }

  findAnywhere(tx: SystemTx, id: string): Promise<UserEntity | null> {
    return tx.manager.findOne(UserEntity, { where: { id } });
  }

  listNewestFirst(tx: SystemTx, filter: UserFilter, page: UserPage): Promise<UserEntity[]> {
    const query = this.matching(tx, filter).orderBy('u.id', 'DESC').limit(page.limit);
    if (page.before !== null) query.andWhere('u.id < :before', { before: page.before });
    return query.getMany();
  }

  count(tx: SystemTx, filter: UserFilter): Promise<number> {
    return this.matching(tx, filter).getCount();
  }

  /** Locks the administrators in one order, so that of two who dismiss each other at once the second sees what the first has done, and answers those whose tenant works. */
  async lockAdministrators(tx: SystemTx): Promise<Pick<UserEntity, 'id' | 'tenantId'>[]> {
    await tx.manager.query(`SELECT FROM users WHERE role = 'ADMIN' AND is_active ORDER BY id FOR UPDATE`);
    // A statement of its own: the one that waits for a lock still sees the other tables as they were before.
    return tx.manager.query(
      `SELECT u.id, u.tenant_id AS "tenantId" FROM users u JOIN tenants t ON t.id = u.tenant_id WHERE u.role = 'ADMIN' AND u.is_active AND t.status = ANY ($1)`,
      [TENANT_STATUSES.filter(isWorkingTenant)],
    );
  }

  findOfTenant(tx: SystemTx, tenantId: string): Promise<UserEntity[]> {
    return tx.manager.find(UserEntity, { where: { tenantId }, order: { id: 'ASC' } });
  }

  async administratorExists(tx: SystemTx): Promise<boolean> {
    return tx.manager.exists(UserEntity, { where: { role: 'ADMIN' } });
  }

  private matching(tx: SystemTx, filter: UserFilter): SelectQueryBuilder<UserEntity> {
    const query = tx.manager.createQueryBuilder(UserEntity, 'u');
    if (filter.role) query.andWhere('u.role = :role', { role: filter.role });
    if (filter.isActive !== undefined) query.andWhere('u.is_active = :isActive', { isActive: filter.isActive });
    if (filter.emailContains) query.andWhere('position(:email in u.email_key) > 0', { email: filter.emailContains });
    if (filter.nameContains) query.andWhere('position(lower(:name) in lower(u.name)) > 0', { name: filter.nameContains });
    if (filter.createdAfter) query.andWhere('u.created_at > :createdAfter', { createdAfter: filter.createdAfter });
    if (filter.createdBefore) query.andWhere('u.created_at < :createdBefore', { createdBefore: filter.createdBefore });
    if (filter.lastLoginAfter) query.andWhere('u.last_login_at > :lastLoginAfter', { lastLoginAfter: filter.lastLoginAfter });
    if (filter.lastLoginBefore) query.andWhere('u.last_login_at < :lastLoginBefore', { lastLoginBefore: filter.lastLoginBefore });
    return query;
  }
}
