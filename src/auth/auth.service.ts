import { Injectable } from '@nestjs/common';
import { ApiKeysService } from '../api-keys/api-keys.service.js';
import type { Principal } from '../common/principal.js';
import { Transactions } from '../persistence/transactions.js';
import { UserDto } from '../users/dto/user.dto.js';
import { UsersService } from '../users/users.service.js';
import { ACCESS_TOKEN_SECONDS, AccessTokens } from './access-tokens.js';
import { InvalidCredentials, SessionRequired, WrongPassword } from './auth.errors.js';
import { refuseCommonPassword } from './common-passwords.js';
import type { ChangePasswordDto, LoginDto, LoginResultDto, MeDto } from './dto/auth.dto.js';
import { Passwords } from './passwords.js';
import { SessionsService } from './sessions.service.js';

/** Signing in, and what a signed-in person may do to the own account. */
@Injectable()
export class AuthService {
  constructor(
    private readonly transactions: Transactions,
    private readonly users: UsersService,
    private readonly apiKeys: ApiKeysService,
    private readonly sessions: SessionsService,
    private readonly passwords: Passwords,
    private readonly tokens: AccessTokens,
  ) {}

  /** @throws InvalidCredentials, the same for an unknown address, a wrong password and a deactivated account */
  async login(dto: LoginDto): Promise<LoginResultDto> {
    const user = await this.transactions.forSystem((tx) => this.users.findByEmail(tx, dto.email));
    const matches = await this.passwords.verify(user?.passwordHash, dto.password);
    if (!user?.isActive || !matches) throw new InvalidCredentials();
    const sessionId = await this.transactions.forTenant(user.tenantId, async (tx) => {
      await this.users.recordLogin(tx, user.id);
      return this.sessions.open(tx, user.id);
    });
    const token = await this.tokens.sign({ sub: user.id, tid: user.tenantId, sid: sessionId });
    return { access_token: token, token_type: 'bearer', expires_in: ACCESS_TOKEN_SECONDS, user: UserDto.from(user) };
  }

  async me(principal: Principal): Promise<MeDto> {
    const user = await this.users.profile(principal);
    return principal.apiKeyId === null ? user : { ...user, api_key: await this.apiKeys.get(principal, principal.apiKeyId) };
  }

  /** Ends every other session, so that whoever knew the old password is out. */
  async changePassword(principal: Principal, dto: ChangePasswordDto): Promise<void> {
    const { sessionId } = principal;
    if (sessionId === null) throw new SessionRequired();
    const user = await this.transactions.forTenant(principal.tenantId, (tx) => this.users.require(tx, principal.userId));
    if (!(await this.passwords.verify(user.passwordHash, dto.current_password))) throw new WrongPassword();
    await refuseCommonPassword(dto.new_password, 'new_password');
    const passwordHash = await this.passwords.hash(dto.new_password);
    await this.transactions.forTenant(principal.tenantId, async (tx) => {
      await this.users.changePasswordHash(tx, principal.userId, passwordHash);
      await this.sessions.endOthers(tx, principal.userId, sessionId);
    });
  }
}
