import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Counter } from 'prom-client';
import { PerRoute } from '../common/per-route.js';
import { OPEN_TO_PEOPLE_ALWAYS, type AuthenticatedRequest, type Principal } from '../common/principal.js';
import { Metrics } from '../metrics/metrics.js';
import { HourlyCallsExceeded, RateLimited } from './rate-limits.errors.js';
import { keySubject, RateLimits, tenantSubject, WINDOW_MS, type Limit, type Verdict } from './rate-limits.js';
import { TenantHours } from './tenant-hours.js';

function limitsOf(principal: Principal): Limit[] {
  const { apiKeyLineageId, keyCallsPerHour, tenantCallsPerHour } = principal;
  return [
    ...(apiKeyLineageId !== null && keyCallsPerHour !== null ? [{ subject: keySubject(apiKeyLineageId), perHour: keyCallsPerHour }] : []),
    ...(tenantCallsPerHour === null ? [] : [{ subject: tenantSubject(principal.tenantId), perHour: tenantCallsPerHour }]),
  ];
}

/** The names under which a client sees its limits; the narrowest one is `hourly`. */
function named(verdicts: readonly Verdict[]): [string, Verdict][] {
  return verdicts.map((verdict, at) => [at === 0 ? '"hourly"' : '"tenant"', verdict]);
}

/** RateLimit header fields (draft-ietf-httpapi-ratelimit-headers), as RFC 9651 lists. */
function tell(reply: FastifyReply, verdicts: readonly Verdict[]): void {
  if (verdicts.length === 0) return;
  const items = named(verdicts);
  void reply.headers({
    'ratelimit-policy': items.map(([name, { perHour }]) => `${name};q=${perHour};w=${WINDOW_MS / 1000}`).join(', '),
    ratelimit: items.map(([name, { remaining, resetSeconds }]) => `${name};r=${remaining};t=${resetSeconds}`).join(', '),
  });
}

/** Counts every authenticated call against its key and its tenant, and says in each answer how much is left. */
@Injectable()
export class RateLimitGuard implements CanActivate {
  private readonly refused: Counter<'window'>;

  private readonly isOpenToPeople: PerRoute<boolean>;

  constructor(
    private readonly rateLimits: RateLimits,
    private readonly tenantHours: TenantHours,
    reflector: Reflector,
    metrics: Metrics,
  ) {
    this.isOpenToPeople = new PerRoute((context) => reflector.get<boolean | undefined>(OPEN_TO_PEOPLE_ALWAYS, context.getHandler()) ?? false);
    this.refused = metrics.counter('morag_rate_limit_refused_total', 'Calls refused because the hour of their key or of their tenant was used up', ['window']);
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const http = context.switchToHttp();
    const principal = http.getRequest<FastifyRequest & AuthenticatedRequest>().user;
    if (!principal || (principal.sessionId !== null && this.isOpenToPeople.of(context))) return true;
    const reply = http.getResponse<FastifyReply>();
    const verdicts = this.rateLimits.consume(principal.tenantId, limitsOf(principal));
    // Counted in memory they are there at once, and nothing has to wait a turn.
    return verdicts instanceof Promise ? verdicts.then((counted) => this.admit(principal, reply, counted)) : this.admit(principal, reply, verdicts);
  }

  private admit(principal: Principal, reply: FastifyReply, verdicts: readonly Verdict[]): true {
    tell(reply, verdicts);
    // The tenant's limit, where there is one, is the last one.
    if (principal.tenantCallsPerHour !== null && verdicts.length > 0) this.tenantHours.tell(principal.tenantId, verdicts[verdicts.length - 1]!);
    const refusal = verdicts.find((verdict) => !verdict.allowed);
    if (!refusal) return true;
    const window = refusal.subject === tenantSubject(principal.tenantId) ? 'tenant' : 'key';
    this.refused.inc({ window });
    if (window === 'tenant') throw new HourlyCallsExceeded(refusal.perHour, refusal.used, refusal.retryAfterSeconds);
    throw new RateLimited(refusal.perHour, refusal.retryAfterSeconds);
  }
}
