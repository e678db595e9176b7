import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
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
  /** When it expires, in seconds since 1970. */
  exp: number;
}

/** The header alone: what else the token says is nobody's business before its signature was checked. */
function headerOf(token: string): { kid?: unknown } | null {
  try {
    return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString('utf8')) as { kid?: unknown } | null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Names a secret without telling it. */
const keyIdOf = (secret: string): string => createHash('sha256').update(secret).digest('hex').slice(0, 8);

/** Signs access tokens with the present secret, and knows those of the one before by their `kid` (RFC 7515, 4.1.4); the strategy of passport checks them. */
@Injectable()
export class AccessTokens {
  private readonly keys: ReadonlyMap<string, KeyObject>;
  private readonly signingSecret: string;
  private readonly signingKeyId: string;

  constructor(
    private readonly jwt: JwtService,
    { jwtSecrets }: Config,
  ) {
    // As key objects: a secret given as text is first tried as a public key, in vain, on every request.
    this.keys = new Map(jwtSecrets.map((secret) => [keyIdOf(secret), createSecretKey(secret, 'utf8')]));
    this.signingSecret = jwtSecrets[0]!;
    this.signingKeyId = keyIdOf(this.signingSecret);
  }

  sign(claims: Omit<AccessClaims, 'typ' | 'exp'>): Promise<string> {
    return this.jwt.signAsync({ ...claims, typ: 'access' }, { keyid: this.signingKeyId, secret: this.signingSecret });
  }

  /** The key that the token says it was signed with; undefined when that is none of ours. */
  keyFor(token: string): KeyObject | undefined {
    const keyId = headerOf(token)?.kid;
    return typeof keyId === 'string' ? this.keys.get(keyId) : undefined;
  }
}
