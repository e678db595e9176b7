import { Injectable } from '@nestjs/common';
import { ApiKeysService } from '../api-keys/api-keys.service.js';
import type { Principal } from '../common/principal.js';
import { TenantChanges } from '../events/tenant-changes.js';
import { UsersService } from '../users/users.service.js';
import { InvalidCredentials, SessionRequired, WrongPassword } from './auth.errors.js';
import { refuseCommonPassword } from './common-passwords.js';
import type { ChangePasswordDto, MeDto } from './dto/auth.dto.js';
import { PasswordGate } from './password-gate.js';
import { SessionsService } from './sessions.service.js';

/** What a signed-in person sees and may do of the own account. */
@Injectable()
export class AccountService {
  constructor(
    private readonly users: UsersService,
    private readonly apiKeys: ApiKeysService,
    private readonly gate: PasswordGate,
    private readonly sessions: SessionsService,
    private readonly changes: TenantChanges,
  ) {}

  async me(principal: Principal): Promise<MeDto> {
    const user = await this.users.profile(principal);
    return principal.apiKeyId === null ? user : { ...user, api_key: await this.apiKeys.get(principal, principal.apiKeyId) };
  }

  /** Ends every other session, so that whoever knew the old password is out. @throws WrongPassword, TooManyAttempts, CommonPassword */
  async changePassword(principal: Principal, dto: ChangePasswordDto): Promise<void> {
    const { sessionId } = principal;
    if (sessionId === null) throw new SessionRequired();
    const user = await this.users.entityOf(principal);
    // Counted like a sign-in: whoever holds somebody's session must not find out the password with it.
    if (!(await this.gate.pass({ email: user.email, password: dto.current_password }, async () => user))) throw new WrongPassword();
    await refuseCommonPassword(dto.new_password, 'new_password');
    const passwordHash = await this.gate.hash(dto.new_password);
    await this.changes.behindFence(principal.tenantId, async (tx) => {
      // Somebody else may have changed it, or ended this session, while this one was hashed.
      if (!(await this.sessions.isLive(tx, sessionId))) throw new InvalidCredentials();
      if (!(await this.users.replacePassword(tx, user, passwordHash))) throw new WrongPassword();
      await this.sessions.endOthers(tx, principal.userId, sessionId);
    });
  }
}
