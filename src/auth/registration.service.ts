import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Role } from '../common/principal.js';
import { DatabaseRows } from '../databases/database-rows.js';
import { Transactions } from '../persistence/transactions.js';
import { TenantsService } from '../tenancy/tenants.service.js';
import { UserDto } from '../users/dto/user.dto.js';
import { UsersService } from '../users/users.service.js';
import { refuseCommonPassword } from './common-passwords.js';
import type { RegisterDto } from './dto/auth.dto.js';
import { Passwords } from './passwords.js';

/** Turns a person into a user with a tenant, quotas and a first database, all or nothing. */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly transactions: Transactions,
    private readonly passwords: Passwords,
    private readonly tenants: TenantsService,
    private readonly users: UsersService,
    private readonly databases: DatabaseRows,
  ) {}

  /** @throws EmailTaken, CommonPassword */
  async register(dto: RegisterDto, role: Role = 'USER'): Promise<UserDto> {
    await refuseCommonPassword(dto.password, 'password');
    const passwordHash = await this.passwords.hash(dto.password);
    const tenantId = uuidv7();
    const userId = uuidv7();
    return this.transactions.forTenant(tenantId, async (tx) => {
      await this.tenants.create(tx, tenantId);
      await this.users.create(tx, { id: userId, tenantId, name: dto.name, email: dto.email, passwordHash, avatar: dto.avatar ?? null, role });
      await this.databases.createFirst(tx, userId);
      return UserDto.from(await this.users.require(tx, userId));
    });
  }
}
