import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuthenticatedRequest, Principal } from '../common/principal.js';
import { HourlyCallsExceeded, RateLimited } from './rate-limits.errors.js';
import { RateLimits, tenantSubject, type Limit, type Verdict } from './rate-limits.service.js';

const HOUR_SECONDS = 3600;

function limitsOf(principal: Principal): Limit[] {
  const { apiKeyLineageId, keyCallsPerHour, tenantCallsPerHour } = principal;
  return [
    ...(apiKeyLineageId !== null && keyCallsPerHour !== null ? [{ subject: `key:${apiKeyLineageId}`, perHour: keyCallsPerHour }] : []),
    ...(tenantCallsPerHour === null ? [] : [{ subject: tenantSubject(principal.tenantId), perHour: tenantCallsPerHour }]),
  ];
}

/** The names under which a client sees its limits; the narrowest one is `hourly`. */
function named(verdicts: readonly Verdict[]): [string, Verdict][] {
  return verdicts.map((verdict, at) => [at === 0 ? '"hourly"' : '"tenant"', verdict]);
}

/** Counts every authenticated call against its key and its tenant, and says in each answer how much is left. */
@Injectable()
export class RateLimitGuard implements CanActivate {
  constructor(private readonly rateLimits: RateLimits) {}

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const principal = http.getRequest<FastifyRequest & AuthenticatedRequest>().user;
    if (!principal) return true;
    const verdicts = this.rateLimits.consume(limitsOf(principal));
    this.tell(http.getResponse<FastifyReply>(), verdicts);
    const refusal = verdicts.find((verdict) => !verdict.allowed);
    if (!refusal) return true;
    if (refusal.subject === tenantSubject(principal.tenantId)) {
      throw new HourlyCallsExceeded(refusal.perHour, this.rateLimits.used(refusal.subject), refusal.retryAfterSeconds);
    }
    throw new RateLimited(refusal.perHour, refusal.retryAfterSeconds);
  }

  /** RateLimit header fields (draft-ietf-httpapi-ratelimit-headers), as RFC 9651 lists. */
  private tell(reply: FastifyReply, verdicts: readonly Verdict[]): void {
    if (verdicts.length === 0) return;
    const items = named(verdicts);
    void reply.headers({
      'ratelimit-policy': items.map(([name, { perHour }]) => `${name};q=${perHour};w=${HOUR_SECONDS}`).join(', '),
      ratelimit: items.map(([name, { remaining, resetSeconds }]) => `${name};r=${remaining};t=${resetSeconds}`).join(', '),
    });
  }
}
