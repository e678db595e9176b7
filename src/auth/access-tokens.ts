import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { Config } from '../config/config.js';

export const TOKEN_ISSUER = 'morag';
export const TOKEN_AUDIENCE = 'morag-api';
export const TOKEN_ALGORITHM = 'HS256';
export const ACCESS_TOKEN_SECONDS = 15 * 60;

/** Claims of an access token (RFC 9068 in spirit): it names a session, and nothing else is believed of it. */
export interface AccessClaims {
  typ: 'access';
  sub: string;
  /** Tenant. */
  tid: string;
  /** Session. */
  sid: string;
}

/** Signs access tokens; the strategy of passport checks them. */
@Injectable()
export class AccessTokens {
  private readonly keyId: string;

  constructor(
    private readonly jwt: JwtService,
    config: Config,
  ) {
    this.keyId = createHash('sha256').update(config.jwtSecret).digest('hex').slice(0, 8);
  }

  sign(claims: Omit<AccessClaims, 'typ'>): Promise<string> {
    return this.jwt.signAsync({ ...claims, typ: 'access' }, { keyid: this.keyId });
  }
}
