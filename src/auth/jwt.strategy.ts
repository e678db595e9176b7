import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { LRUCache } from 'lru-cache';
import { ExtractJwt, Strategy } from 'passport-jwt';
import type { Principal } from '../common/principal.js';
import { AccessTokens, TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER, type AccessClaims } from './access-tokens.js';
import { InvalidCredentials } from './auth.errors.js';
import { SessionsService } from './sessions.service.js';

type Request = Parameters<Strategy['authenticate']>[0];

const MOST_CHECKED = 10_000;
const isExpired = ({ exp }: AccessClaims): boolean => Math.floor(Date.now() / 1000) >= exp;
const tokenOf = ExtractJwt.fromAuthHeaderAsBearerToken();

/** Identifies the person behind an access token. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  /**
   * Tokens whose signature was good, with what they say: it stays good until they expire, and checking it is a third of what a small request
   * takes. Whether the session that they name still lives is asked each time.
   */
  private readonly checked = new LRUCache<string, AccessClaims>({ max: MOST_CHECKED });

  constructor(
    tokens: AccessTokens,
    private readonly sessions: SessionsService,
  ) {
    super({
      jwtFromRequest: tokenOf,
      secretOrKeyProvider: (_: unknown, token: string, done: (error: Error | null, key?: Buffer) => void) => {
        const key = tokens.keyFor(token);
        // Its types know text and bytes only; what checks the signature takes key objects as well.
        done(key === undefined ? new InvalidCredentials() : null, key as unknown as Buffer | undefined);
      },
      algorithms: [TOKEN_ALGORITHM],
      issuer: TOKEN_ISSUER,
      audience: TOKEN_AUDIENCE,
      passReqToCallback: true,
    });
  }

  override authenticate(request: Request, options?: object): void {
    const claims = this.checked.get(tokenOf(request) ?? '');
    if (!claims || isExpired(claims)) return super.authenticate(request, options);
    this.sessions.principalOf(claims).then((principal) => (principal ? this.success(principal) : this.fail(401)), (error: unknown) => this.error(error as Error));
  }

  /** Called by passport with what a token says that is good. */
  validate(request: Request, claims: AccessClaims): Promise<Principal | false> {
    this.checked.set(tokenOf(request)!, claims);
    return this.sessions.principalOf(claims);
  }
}
