import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { violates } from '../persistence/postgres-errors.js';
import { Transactions, type AnyTx, type SystemTx, type TenantTx } from '../persistence/transactions.js';
import { UserDto, UserSettingsDto, type UpdateUserDto, type UpdateUserSettingsDto } from './dto/user.dto.js';
import type { UserEntity } from './user.entity.js';
import { EmailTaken, NoSuchDefault } from './users.errors.js';
import { UsersRepository, type NewUser, type SettingsChange, type UserChange } from './users.repository.js';

/** Two spellings of one mailbox must not be two accounts. */
export function emailKey(email: string): string {
  return email.normalize('NFKC').toLowerCase();
}

/** People and their settings. */
@Injectable()
export class UsersService {
  constructor(
    private readonly transactions: Transactions,
    private readonly users: UsersRepository,
  ) {}

  /** Part of registering. @throws EmailTaken */
  async create(tx: AnyTx, user: Omit<NewUser, 'emailKey'>): Promise<void> {
    await this.refusingTakenEmail(() => this.users.insert(tx, { ...user, emailKey: emailKey(user.email) }));
  }

  findByEmail(tx: SystemTx, email: string): Promise<UserEntity | null> {
    return this.users.findByEmail(tx, emailKey(email));
  }

  async require(tx: TenantTx, userId: string): Promise<UserEntity> {
    const user = await this.users.findById(tx, userId);
    if (!user) throw new Error(`user ${userId} vanished while signed in`);
    return user;
  }

  /**
   * @param read the account as it was when the password was checked
   * @param rehashed the same password under stronger parameters, where the hash on record has become outdated
   * @returns false when password or standing have changed meanwhile: then nobody has signed in
   */
  recordLogin(tx: TenantTx, read: UserEntity, rehashed?: string): Promise<boolean> {
    return this.users.recordLogin(tx, read, rehashed);
  }

  /** @param read the account as it was when the old password was checked; false when it has changed meanwhile */
  replacePassword(tx: TenantTx, read: UserEntity, passwordHash: string): Promise<boolean> {
    return this.users.replacePassword(tx, read, passwordHash);
  }

  administratorExists(tx: SystemTx): Promise<boolean> {
    return this.users.administratorExists(tx);
  }

  entityOf(principal: Principal): Promise<UserEntity> {
    return this.transactions.forTenant(principal.tenantId, (tx) => this.require(tx, principal.userId));
  }

  async profile(principal: Principal): Promise<UserDto> {
    return UserDto.from(await this.entityOf(principal));
  }

  updateProfile(principal: Principal, dto: UpdateUserDto): Promise<UserDto> {
    const change: UserChange = { ...dto, emailKey: dto.email === undefined ? undefined : emailKey(dto.email) };
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      await this.refusingTakenEmail(() => this.users.update(tx, tx.tenantId, principal.userId, change));
      return UserDto.from(await this.require(tx, principal.userId));
    });
  }

  settings(principal: Principal): Promise<UserSettingsDto> {
    return this.transactions.forTenant(principal.tenantId, (tx) => this.readSettings(tx, principal.userId));
  }

  updateSettings(principal: Principal, dto: UpdateUserSettingsDto): Promise<UserSettingsDto> {
    const { auto_save, default_database, ...same } = dto;
    const change: SettingsChange = { ...same, autoSave: auto_save, defaultDatabase: default_database };
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      if (default_database !== undefined && !(await this.users.databaseExists(tx, default_database))) throw new NoSuchDefault();
      await this.users.updateSettings(tx, principal.userId, change);
      return this.readSettings(tx, principal.userId);
    });
  }

  private async readSettings(tx: TenantTx, userId: string): Promise<UserSettingsDto> {
    const settings = await this.users.findSettings(tx, userId);
    if (!settings) throw new Error(`user ${userId} has no settings row`);
    return UserSettingsDto.from(settings);
  }

  private async refusingTakenEmail(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (violates(error, 'users_email')) throw new EmailTaken();
      throw error;
    }
  }
}
