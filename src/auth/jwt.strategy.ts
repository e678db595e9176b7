import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import type { Principal } from '../common/principal.js';
import { AccessTokens, TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER, type AccessClaims } from './access-tokens.js';
import { InvalidCredentials } from './auth.errors.js';
import { SessionsService } from './sessions.service.js';

/** Identifies the person behind an access token. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    tokens: AccessTokens,
    private readonly sessions: SessionsService,
  ) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: (_: unknown, token: string, done: (error: Error | null, key?: Buffer) => void) => {
        const key = tokens.keyFor(token);
        // Its types know text and bytes only; what checks the signature takes key objects as well.
        done(key === undefined ? new InvalidCredentials() : null, key as unknown as Buffer | undefined);
      },
      algorithms: [TOKEN_ALGORITHM],
      issuer: TOKEN_ISSUER,
      audience: TOKEN_AUDIENCE,
    });
  }

  validate(claims: AccessClaims): Promise<Principal | false> {
    return this.sessions.principalOf(claims);
  }
}
