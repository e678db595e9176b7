import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ApiKeysModule } from '../api-keys/api-keys.module.js';
import { DatabasesModule } from '../databases/databases.module.js';
import { TenancyModule } from '../tenancy/tenancy.module.js';
import { UsersModule } from '../users/users.module.js';
import { UserAdministration } from '../users/user-administration.service.js';
import { ACCESS_TOKEN_SECONDS, AccessTokens, TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER } from './access-tokens.js';
import { AccountService } from './account.service.js';
import { ApiKeyStrategy } from './api-key.strategy.js';
import { AuthController } from './auth.controller.js';
import { ClosedByDefault } from './closed-by-default.js';
import { FirstAdministrator } from './first-administrator.js';
import { JwtStrategy } from './jwt.strategy.js';
import { LoginAttemptsRepository } from './login-attempts.repository.js';
import { LoginThrottle } from './login-throttle.js';
import { PasswordGate } from './password-gate.js';
import { Passwords } from './passwords.js';
import { RegistrationService } from './registration.service.js';
import { RefreshTokensRepository } from './refresh-tokens.repository.js';
import { SessionEntity } from './session.entity.js';
import { SessionsRepository } from './sessions.repository.js';
import { SessionsService } from './sessions.service.js';
import { SignInService } from './sign-in.service.js';

@Module({
  imports: [
    PassportModule,
    DiscoveryModule,
    JwtModule.register({ signOptions: { algorithm: TOKEN_ALGORITHM, expiresIn: ACCESS_TOKEN_SECONDS, issuer: TOKEN_ISSUER, audience: TOKEN_AUDIENCE } }),
    TypeOrmModule.forFeature([SessionEntity]),
    TenancyModule,
    UsersModule,
    ApiKeysModule,
    DatabasesModule,
  ],
  controllers: [AuthController],
  providers: [
    SignInService, AccountService, RegistrationService, PasswordGate, SessionsRepository, RefreshTokensRepository, SessionsService, LoginAttemptsRepository, LoginThrottle, Passwords, AccessTokens,
    JwtStrategy, ApiKeyStrategy, FirstAdministrator, ClosedByDefault,
  ],
})
export class AuthModule {
  constructor(users: UserAdministration, sessions: SessionsService, throttle: LoginThrottle) {
    users.onStandingChange((tx, user) => sessions.endAll(tx, user));
    users.onRemoval((tx, { email }) => throttle.forget(tx, email));
  }
}
