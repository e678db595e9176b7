import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { nameRefused } from '../common/request-context.js';
import { Transactions } from '../persistence/transactions.js';
import { UserDto } from '../users/dto/user.dto.js';
import type { UserEntity } from '../users/user.entity.js';
import { UsersService } from '../users/users.service.js';
import { ACCESS_TOKEN_SECONDS, AccessTokens } from './access-tokens.js';
import { InvalidCredentials, SessionRequired } from './auth.errors.js';
import type { LoginDto, LoginResultDto, LogoutDto, RefreshDto } from './dto/auth.dto.js';
import { PasswordGate } from './password-gate.js';
import { SessionsService, type OpenedSession } from './sessions.service.js';

/** The answer is the same for everybody; whose account was tried, only the audit learns. */
function refused(account: UserEntity | null): InvalidCredentials {
  if (account) nameRefused({ tenantId: account.tenantId, userId: account.id, apiKeyId: null });
  return new InvalidCredentials();
}

/** Signing in with a password, staying signed in, signing out. */
@Injectable()
export class SignInService {
  constructor(
    private readonly transactions: Transactions,
    private readonly users: UsersService,
    private readonly gate: PasswordGate,
    private readonly sessions: SessionsService,
    private readonly tokens: AccessTokens,
  ) {}

  /**
   * @param address where the request comes from
   * @throws InvalidCredentials, the same for an unknown address, a wrong password and a deactivated account
   * @throws TooManyAttempts
   */
  async login(dto: LoginDto, address: string): Promise<LoginResultDto> {
    // Once more when the account changed in between, such as by another sign-in that hashed the password anew.
    const result = (await this.tryLogin(dto, address)) ?? (await this.tryLogin(dto, address));
    if (!result) throw new InvalidCredentials();
    return result;
  }

  /** @throws InvalidCredentials for a token that is unknown, expired or used up, and where the session has ended */
  async refresh({ refresh_token }: RefreshDto): Promise<LoginResultDto> {
    const owner = await this.sessions.ownerOf(refresh_token);
    const session = owner && (await this.sessions.renew(owner, refresh_token));
    if (!session) throw new InvalidCredentials();
    const user = await this.transactions.forTenant(owner.tenantId, (tx) => this.users.require(tx, owner.userId));
    return this.signedIn(user, session);
  }

  async logout(principal: Principal, { everywhere }: LogoutDto): Promise<void> {
    if (principal.sessionId === null) throw new SessionRequired();
    await this.sessions.end(principal, principal.sessionId, everywhere);
  }

  /** Null when password or standing have changed since they were checked. @throws InvalidCredentials, TooManyAttempts */
  private async tryLogin({ email, password }: LoginDto, address: string): Promise<LoginResultDto | null> {
    let found: UserEntity | null = null;
    const find = async (): Promise<UserEntity | null> => (found = await this.transactions.forSystem((tx) => this.users.findByEmail(tx, email)));
    const user = await this.gate.pass({ email, password, address }, find);
    if (!user) throw refused(found);
    const rehashed = await this.gate.rehash(user, password);
    const session = await this.transactions.forTenant(user.tenantId, async (tx) => ((await this.users.recordLogin(tx, user, rehashed)) ? this.sessions.open(tx, user.id) : null));
    return session && this.signedIn(user, session);
  }

  private async signedIn(user: UserEntity, session: OpenedSession): Promise<LoginResultDto> {
    const token = await this.tokens.sign({ sub: user.id, tid: user.tenantId, sid: session.id });
    return { access_token: token, token_type: 'bearer', expires_in: ACCESS_TOKEN_SECONDS, refresh_token: session.refreshToken, user: UserDto.from(user) };
  }
}
