import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { PUBLIC_ROUTE, type Principal } from '../common/principal.js';
import { AmbiguousCredentials, InvalidCredentials, Unauthenticated } from './auth.errors.js';

/** What passport calls back with: an error of ours, a principal, or false for a bad credential. */
function principalOrRefusal<User>(error: Error | null, principal: User | false): User {
  if (error) throw error;
  if (!principal) throw new InvalidCredentials();
  return principal;
}

class JwtGuard extends AuthGuard('jwt') {
  override handleRequest<User = Principal>(error: Error | null, principal: User | false): User {
    return principalOrRefusal(error, principal);
  }
}

class ApiKeyGuard extends AuthGuard('api-key') {
  override handleRequest<User = Principal>(error: Error | null, principal: User | false): User {
    return principalOrRefusal(error, principal);
  }
}

const BEARER = /^Bearer +(\S+)$/i;

/** Lets in who shows one good credential. It looks at which one was sent: trying both strategies would cost twice as much. */
@Injectable()
export class AuthenticationGuard implements CanActivate {
  private readonly jwt = new JwtGuard();
  private readonly apiKey = new ApiKeyGuard();

  constructor(private readonly reflector: Reflector) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC_ROUTE, [context.getHandler(), context.getClass()])) return true;
    const guard = this.guardFor(context.switchToHttp().getRequest<FastifyRequest>());
    return (await guard.canActivate(context)) as boolean;
  }

  private guardFor({ headers }: FastifyRequest): CanActivate {
    const { authorization } = headers;
    if (authorization === undefined) {
      if (headers['x-api-key'] === undefined) throw new Unauthenticated();
      return this.apiKey;
    }
    if (headers['x-api-key'] !== undefined) throw new AmbiguousCredentials();
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) throw new InvalidCredentials();
    if (!token.startsWith('mk_')) return this.jwt;
    // Both ways of sending a key are one from here on.
    headers['x-api-key'] = token;
    return this.apiKey;
  }
}
