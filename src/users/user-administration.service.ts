import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../common/pagination.js';
import { TenantChanges } from '../events/tenant-changes.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { TenantRemoval } from '../tenancy/tenant-removal.service.js';
import { TenantUpdates } from '../tenancy/tenant-updates.service.js';
import { AdminUserDto, type ListUsersQueryDto, type UpdateStandingDto, type UserListDto } from './dto/user.dto.js';
import { LastAdministrator, UserNotFound } from './users.errors.js';
import type { UserEntity } from './user.entity.js';
import { UsersRepository, type UserFilter } from './users.repository.js';
import { emailKey } from './users.service.js';

type RemovalListener = (tx: SystemTx, user: Pick<UserEntity, 'tenantId' | 'id' | 'email'>) => Promise<void>;
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
  private readonly removalListeners: RemovalListener[] = [];

  constructor(
    private readonly transactions: Transactions,
    private readonly users: UsersRepository,
    private readonly removal: TenantRemoval,
    private readonly changes: TenantChanges,
    private readonly cursors: Cursors,
    tenants: TenantUpdates,
  ) {
    tenants.onWithdrawal(async (tx, tenantId) => requireOneBut(await users.lockAdministrators(tx), (administrator) => administrator.tenantId === tenantId));
  }

  /** Called in the transaction that changes somebody's role or activity: what was granted on the old standing ends with it. */
  onStandingChange(listener: StandingListener): void {
    this.listeners.push(listener);
  }

  /** Called in the transaction that removes somebody for good: what is kept of the person under no tenant goes with it. */
  onRemoval(listener: RemovalListener): void {
    this.removalListeners.push(listener);
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

  /** Ends the person's sessions when anything changes. @throws UserNotFound, LastAdministrator, TenantBeingPurged */
  async update(id: string, dto: UpdateStandingDto): Promise<AdminUserDto> {
    const { tenantId } = await this.transactions.forSystem((tx) => this.find(tx, id));
    return this.changes.behindFenceAsSystem(tenantId, async (tx) => {
      const administrators = await this.users.lockAdministrators(tx);
      await this.removal.refuseMeanwhile(tx, tenantId);
      const user = await this.find(tx, id);
      const after = { role: dto.role ?? user.role, isActive: dto.is_active ?? user.isActive };
      if (after.role !== 'ADMIN' || !after.isActive) requireOneBut(administrators, (administrator) => administrator.id === id);
      if (after.role !== user.role || after.isActive !== user.isActive) {
        await this.changeStanding(tx, user, { role: dto.role, isActive: dto.is_active });
      }
      return AdminUserDto.ofAnyTenant(await this.find(tx, id));
    });
  }

  /** Keeps out everybody of a tenant. @throws LastAdministrator */
  async shutOut(tx: SystemTx, tenantId: string): Promise<void> {
    requireOneBut(await this.users.lockAdministrators(tx), (administrator) => administrator.tenantId === tenantId);
    for (const person of await this.users.findOfTenant(tx, tenantId)) if (person.isActive) await this.changeStanding(tx, person, { isActive: false });
  }

  findOfTenant(tx: SystemTx, tenantId: string): Promise<UserEntity[]> {
    return this.users.findOfTenant(tx, tenantId);
  }

  /** Whose rows go with their tenant's. */
  async forgetAll(tx: SystemTx, tenantId: string): Promise<void> {
    for (const person of await this.users.findOfTenant(tx, tenantId)) for (const listener of this.removalListeners) await listener(tx, person);
  }

  private async changeStanding(tx: SystemTx, user: UserEntity, change: Partial<Pick<UserEntity, 'role' | 'isActive'>>): Promise<void> {
    await this.users.update(tx, user.tenantId, user.id, change);
    for (const listener of this.listeners) await listener(tx, user);
  }

  private async find(tx: SystemTx, id: string): Promise<UserEntity> {
    const user = await this.users.findAnywhere(tx, id);
    if (!user) throw new UserNotFound();
    return user;
  }
}
