import { Injectable, type CanActivate, type ExecutionContext, type OnModuleInit } from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { PerRoute } from '../common/per-route.js';
import { PUBLIC_ROUTE, type AuthenticatedRequest, type Principal } from '../common/principal.js';
import { ApiKeyStrategy } from './api-key.strategy.js';
import { AmbiguousCredentials, InvalidCredentials, Unauthenticated } from './auth.errors.js';
import { JwtStrategy } from './jwt.strategy.js';

/** A strategy of passport's while it looks at one request: it answers by calling one of the three. */
interface Attempt {
  authenticate(request: FastifyRequest, options: object): void;
  success(principal: Principal): void;
  fail(): void;
  error(error: unknown): void;
}

/**
 * Asks one strategy in the way of passport's own `authenticate`: through an object that inherits from it and hears the outcome.
 * Without what that one does besides on every request, for sessions that nobody here has.
 */
function ask(strategy: JwtStrategy | ApiKeyStrategy, request: FastifyRequest): Promise<Principal> {
  return new Promise((resolve, reject) => {
    const attempt = Object.create(strategy) as Attempt;
    attempt.success = resolve;
    attempt.fail = () => reject(new InvalidCredentials());
    attempt.error = reject;
    attempt.authenticate(request, {});
  });
}

const BEARER = /^Bearer +(\S+)$/i;

/** Lets in who shows one good credential. It looks at which one was sent: trying both strategies would cost twice as much. */
@Injectable()
export class AuthenticationGuard implements CanActivate, OnModuleInit {
  private readonly isPublic: PerRoute<boolean>;
  private jwt: JwtStrategy;
  private apiKey: ApiKeyStrategy;

  constructor(
    reflector: Reflector,
    private readonly modules: ModuleRef,
  ) {
    this.isPublic = new PerRoute((context) => reflector.getAllAndOverride<boolean | undefined>(PUBLIC_ROUTE, [context.getHandler(), context.getClass()]) ?? false);
  }

  onModuleInit(): void {
    this.jwt = this.modules.get(JwtStrategy, { strict: false });
    this.apiKey = this.modules.get(ApiKeyStrategy, { strict: false });
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.isPublic.of(context)) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest & AuthenticatedRequest>();
    const strategy = this.strategyFor(request);
    request.user = await ask(strategy, request);
    request.identify = () => ask(strategy, request);
    return true;
  }

  private strategyFor({ headers }: FastifyRequest): JwtStrategy | ApiKeyStrategy {
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
