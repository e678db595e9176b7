import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../common/pagination.js';
import { TenantChanges } from '../events/tenant-changes.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { TenantAdministration } from '../tenancy/tenant-administration.service.js';
import { AdminUserDto, type ListUsersQueryDto, type UpdateStandingDto, type UserListDto } from './dto/user.dto.js';
import { LastAdministrator, UserNotFound } from './users.errors.js';
import type { UserEntity } from './user.entity.js';
import { UsersRepository, type UserFilter } from './users.repository.js';
import { emailKey } from './users.service.js';

type StandingListener = (tx: SystemTx, user: Pick<UserEntity, 'tenantId' | 'id'>) => Promise<void>;

function filterOf(query: ListUsersQueryDto): UserFilter {
  return {
    role: query.role,
    isActive: query.is_active,
    emailContains: query.email_contains === undefined ? undefined : emailKey(query.email_contains),
    nameContains: query.name_contains,
    createdAfter: query.created_after,
    createdBefore: query.created_before,
    lastLoginAfter: query.last_login_after,
    lastLoginBefore: query.last_login_before,
  };
}

/** Somebody has to be left who could undo it. @throws LastAdministrator */
function requireOneBut(administrators: readonly Pick<UserEntity, 'id' | 'tenantId'>[], isGoing: (administrator: Pick<UserEntity, 'id' | 'tenantId'>) => boolean): void {
  if (administrators.length > 0 && administrators.every(isGoing)) throw new LastAdministrator();
}

/** The people of all tenants, as the administrator sees and changes them. */
@Injectable()
export class UserAdministration {
  private readonly listeners: StandingListener[] = [];

  constructor(
    private readonly transactions: Transactions,
    private readonly users: UsersRepository,
    private readonly changes: TenantChanges,
    private readonly cursors: Cursors,
    tenants: TenantAdministration,
  ) {
    tenants.onWithdrawal(async (tx, tenantId) => requireOneBut(await users.lockAdministrators(tx), (administrator) => administrator.tenantId === tenantId));
  }

  /** Called in the transaction that changes somebody's role or activity: what was granted on the old standing ends with it. */
  onStandingChange(listener: StandingListener): void {
    this.listeners.push(listener);
  }

  async list(query: ListUsersQueryDto): Promise<UserListDto> {
    const filter = filterOf(query);
    const scope = `users ${JSON.stringify(filter)}`;
    const before = this.cursors.decode(query.cursor, scope);
    const { rows, counted } = await this.transactions.forSystem(async (tx) => ({
      rows: await this.users.listNewestFirst(tx, filter, { limit: query.limit + 1, before }),
      counted: query.include_total ? { total: await this.users.count(tx, filter) } : {},
    }));
    const page = pageOf(rows, query.limit);
    return { users: page.rows.map((row) => AdminUserDto.ofAnyTenant(row)), ...counted, ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  /** @throws UserNotFound */
  async get(id: string): Promise<AdminUserDto> {
    return AdminUserDto.ofAnyTenant(await this.transactions.forSystem((tx) => this.find(tx, id)));
  }

  /** Ends the person's sessions when anything changes. @throws UserNotFound, LastAdministrator */
  async update(id: string, dto: UpdateStandingDto): Promise<AdminUserDto> {
    const { tenantId } = await this.transactions.forSystem((tx) => this.find(tx, id));
    return this.changes.behindFenceAsSystem(tenantId, async (tx) => {
      const administrators = await this.users.lockAdministrators(tx);
      const user = await this.find(tx, id);
      const after = { role: dto.role ?? user.role, isActive: dto.is_active ?? user.isActive };
      if (after.role !== 'ADMIN' || !after.isActive) requireOneBut(administrators, (administrator) => administrator.id === id);
      if (after.role !== user.role || after.isActive !== user.isActive) {
        await this.users.update(tx, tenantId, id, { role: dto.role, isActive: dto.is_active });
        for (const listener of this.listeners) await listener(tx, user);
      }
      return AdminUserDto.ofAnyTenant(await this.find(tx, id));
    });
  }

  private async find(tx: SystemTx, id: string): Promise<UserEntity> {
    const user = await this.users.findAnywhere(tx, id);
    if (!user) throw new UserNotFound();
    return user;
  }
}
