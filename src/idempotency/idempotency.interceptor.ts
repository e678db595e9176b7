import { Injectable, Logger, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { lastValueFrom, of, type Observable } from 'rxjs';
import { PerRoute } from '../common/per-route.js';
import type { AuthenticatedRequest, Principal } from '../common/principal.js';
import { AnsweredBefore, Claim, underClaim } from './claim.js';
import { readIdempotencyKey } from './idempotency-key.js';
import type { KeptAnswer } from './idempotency-keys.repository.js';
import { IdempotencyKeys } from './idempotency-keys.service.js';
import { IDEMPOTENT, type IdempotentRoute } from './idempotent-route.js';

/** Three times within a lease. */
const RENEWED_EVERY_MS = 5000;

/** Lets a request with an Idempotency-Key have its effect once. Without the header it does nothing, and writes nothing. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  private readonly logger = new Logger(IdempotencyInterceptor.name);
  private readonly route: PerRoute<IdempotentRoute>;

  constructor(
    private readonly keys: IdempotencyKeys,
    reflector: Reflector,
  ) {
    this.route = new PerRoute((context) => reflector.get<IdempotentRoute>(IDEMPOTENT, context.getHandler()));
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> | Promise<Observable<unknown>> {
    const header = context.switchToHttp().getRequest<FastifyRequest>().headers['idempotency-key'];
    return header === undefined ? next.handle() : this.once(context, next, this.route.of(context), String(header));
  }

  private async once(context: ExecutionContext, next: CallHandler, route: IdempotentRoute, header: string): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest & AuthenticatedRequest>();
    const reply = http.getResponse<FastifyReply>();
    const principal = request.user;
    if (!principal) throw new Error('@Idempotent on a route that no guard protects');
    const claim = await this.claim(request, reply, route, principal, readIdempotencyKey(header));
    if (!(claim instanceof Claim)) return this.replay(reply, claim);
    const renewal = setInterval(() => this.renew(principal, claim), RENEWED_EVERY_MS).unref();
    try {
      const answer = await underClaim(claim, () => lastValueFrom<unknown>(next.handle()));
      if (!claim.hasKept) await this.release(principal, claim, new Error(`${claim.holder.route} is @Idempotent and keeps no answer`));
      return of(answer);
    } catch (error) {
      if (error instanceof AnsweredBefore) return this.replay(reply, error.answer);
      await this.release(principal, claim);
      throw error;
    } finally {
      clearInterval(renewal);
    }
  }

  private claim(request: FastifyRequest, reply: FastifyReply, route: IdempotentRoute, principal: Principal, key: string): Promise<Claim | KeptAnswer> {
    const { method, params, query, body } = request;
    const keyed = { tenantId: principal.tenantId, databaseIds: principal.databaseIds, key, method, route: request.routeOptions.url ?? '', params, query };
    return this.keys.claim(
      // A body that is not JSON is read by the handlers of forms alone: for all others there is none.
      { ...keyed, body: route.isForm === true && request.isMultipart() ? { of: 'form' } : { of: 'json', value: body } },
      { status: reply.statusCode, secrets: route.secrets ?? [] },
    );
  }

  /** Every header that tells of the effect is a constant of its route, so status and body are the whole answer. */
  private replay(reply: FastifyReply, { status, body }: KeptAnswer): Observable<unknown> {
    void reply.status(status).header('idempotency-replayed', 'true');
    return of(body);
  }

  private renew(principal: Principal, { holder }: Claim): void {
    // Whoever takes the key over meanwhile has the effect instead.
    this.keys.renew(principal.tenantId, holder).catch((error: unknown) => this.logger.debug({ err: error }, 'an Idempotency-Key was not renewed'));
  }

  /** So that the same key can be tried again at once; otherwise only when the lease has run out. */
  private async release(principal: Principal, claim: Claim, bug?: Error): Promise<void> {
    if (bug) this.logger.error({ err: bug }, 'an Idempotency-Key was of no use');
    if (claim.isAnswered) return;
    try {
      await this.keys.release(principal.tenantId, claim.holder);
    } catch (error) {
      this.logger.debug({ err: error }, 'an Idempotency-Key was not given back; its lease has to run out');
    }
  }
}
