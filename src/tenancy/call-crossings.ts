import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pLimit from 'p-limit';
import { Listener } from '../events/listener.js';
import { Transactions } from '../persistence/transactions.js';
import { RateLimits, tenantSubject, WINDOW_MS, type Verdict } from '../rate-limits/rate-limits.js';
import { TenantHours } from '../rate-limits/tenant-hours.js';
import { CallQuotasRepository } from './call-quotas.repository.js';
import type { QuotaEntity } from './quota.entity.js';
import { isHigher, levelOf, warnsFrom, type QuotaLevel } from './quota-level.js';

/** Announced by a trigger when a limit or a threshold of calls changes; the payload is the tenant's id. */
const LIMIT_CHANNEL = 'morag_call_limit';
/** How soon it is noticed that calls have become fewer. */
const SWEEP_MS = 15_000;
const CHECKS_AT_ONCE = 2;
/** Some 10 MB when full; who is forgotten is looked up again with the next call. */
const MOST_TENANTS = 50_000;
const UNKNOWN = -1;

/** What this process last knew of a tenant's row. */
interface Known {
  /** The limit by which the guard measures. */
  perHour: number;
  /** From so many calls on the row has to be looked at. */
  ceiling: number;
  isChecking: boolean;
  /** The most calls that came by while the row was looked at. */
  passed: number;
  /** This process has counted enough calls for a higher level itself, so it knows when they are over. */
  isOurs: boolean;
}

function ceilingOf({ hardLimit, warningThreshold }: QuotaEntity, level: QuotaLevel): number {
  if (hardLimit === null || level === 'reached') return Number.POSITIVE_INFINITY;
  return level === 'warning' ? hardLimit : warnsFrom(hardLimit, warningThreshold);
}

/**
 * Brings the level of a tenant's calls into its row, where a change of it publishes events as with every other quota. A call costs a look into
 * memory and two comparisons; the row is read when they say that a threshold was crossed, after the call, and written when that is true.
 *
 * Rising is noticed with the call that rises, falling by the clock, and only when the calls are fewer than the warning threshold: somebody who
 * calls on and on at the limit would otherwise cross it every few seconds.
 */
@Injectable()
export class CallCrossings implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(CallCrossings.name);
  private readonly known = new Map<string, Known>();
  /** Looked at by the clock: who is above a threshold, and who could not be looked at when it was due. */
  private readonly watched = new Set<string>();
  private readonly turns = pLimit(CHECKS_AT_ONCE);
  private readonly working = new Set<Promise<void>>();
  private readonly countsSince = performance.now();
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  private isSweeping = false;
  private isAway = false;

  constructor(
    private readonly transactions: Transactions,
    private readonly quotas: CallQuotasRepository,
    private readonly rateLimits: RateLimits,
    private readonly listener: Listener,
    hours: TenantHours,
  ) {
    hours.onCall((tenantId, verdict) => this.see(tenantId, verdict));
    listener.hear(LIMIT_CHANNEL, (tenantId) => this.measureAnew(tenantId));
    listener.onConnected(() => this.mistrust());
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.isSweeping || this.keep(this.sweep()), SWEEP_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    while (this.working.size > 0) await Promise.all(this.working);
  }

  /** On the path of every request. */
  private see(tenantId: string, { perHour, used, remaining }: Verdict): void {
    const calls = Math.max(used, perHour - remaining);
    const known = this.known.get(tenantId);
    if (known !== undefined && calls < known.ceiling && perHour === known.perHour) return;
    this.check(tenantId, known ?? this.meet(tenantId), calls, perHour);
  }

  private meet(tenantId: string): Known {
    if (this.known.size >= MOST_TENANTS) this.known.delete(this.known.keys().next().value!);
    const known = { perHour: UNKNOWN, ceiling: UNKNOWN, isChecking: false, passed: UNKNOWN, isOurs: false };
    this.known.set(tenantId, known);
    return known;
  }

  private check(tenantId: string, known: Known, calls = UNKNOWN, perHour = known.perHour): void {
    known.passed = Math.max(known.passed, calls);
    // By the ceiling of another limit, calls that come by while the row is looked at would not be noted.
    if (perHour !== known.perHour) known.ceiling = UNKNOWN;
    known.perHour = perHour;
    if (known.isChecking || this.isStopped) return;
    known.isChecking = true;
    this.keep(this.turns(() => this.settle(tenantId, known)));
  }

  private keep(work: Promise<void>): void {
    this.working.add(work);
    void work.finally(() => this.working.delete(work));
  }

  private async settle(tenantId: string, known: Known): Promise<void> {
    try {
      let mayBeFewer: QuotaEntity | null = null;
      do {
        const passed = known.passed;
        known.passed = UNKNOWN;
        const counted = await this.rateLimits.used(tenantId, tenantSubject(tenantId));
        if (counted === null && passed === UNKNOWN) break;
        mayBeFewer = await this.bring(tenantId, known, Math.max(counted ?? 0, passed), mayBeFewer);
      } while (mayBeFewer !== null || known.passed >= known.ceiling);
      this.isAway = false;
    } catch (error) {
      // With the next call or the next sweep.
      known.ceiling = UNKNOWN;
      this.watched.add(tenantId);
      // Once an outage.
      if (!this.isAway) this.logger.warn({ err: error }, 'it could not be noted how full the hour of a tenant is; trying again');
      this.isAway = true;
    } finally {
      known.isChecking = false;
      // It tells of this moment only.
      known.passed = UNKNOWN;
    }
  }

  /**
   * Answers the row when the calls seem to have become fewer: only a count that was taken after the row was seen as it is proves that, for another
   * process may have raised it since. `before` is the row as it was seen before these were counted.
   */
  private async bring(tenantId: string, known: Known, calls: number, before: QuotaEntity | null): Promise<QuotaEntity | null> {
    const [row, level, mayBeFewer] = await this.transactions.forTenant(tenantId, async (tx): Promise<[QuotaEntity | null, QuotaLevel, boolean]> => {
      for (;;) {
        const seen = await this.quotas.find(tx);
        if (!seen) return [null, 'below', false];
        const counted = levelOf({ ...seen, used: calls });
        if (counted !== 'below') known.isOurs = true;
        const isFewer = counted === 'below' && seen.level !== 'below' && this.mayLower(known);
        const isProven = before?.level === seen.level && before.used === seen.used;
        if (!isHigher(counted, seen.level) && !(isFewer && isProven)) return [seen, seen.level, isFewer];
        // Else another process was faster, or the limit has changed.
        if (await this.quotas.move(tx, seen, calls)) return [seen, counted, false];
      }
    });
    known.ceiling = row ? ceilingOf(row, level) : Number.POSITIVE_INFINITY;
    if (level === 'below') {
      known.isOurs = false;
      this.watched.delete(tenantId);
    } else {
      this.watched.add(tenantId);
    }
    return mayBeFewer ? row : null;
  }

  /** Where each process counts for itself, few calls here say nothing of another's, nor of those before this process was started. */
  private mayLower(known: Known): boolean {
    return this.rateLimits.isShared || known.isOurs || performance.now() - this.countsSince > WINDOW_MS;
  }

  private measureAnew(tenantId: string): void {
    const known = this.known.get(tenantId);
    if (!known) return;
    known.ceiling = UNKNOWN;
    this.check(tenantId, known);
  }

  /** Limits may have changed unheard: each row is looked at again with the next call. */
  private mistrust(): void {
    for (const known of this.known.values()) known.ceiling = UNKNOWN;
  }

  private async sweep(): Promise<void> {
    this.isSweeping = true;
    try {
      if (!this.listener.isCurrent(performance.now())) this.mistrust();
      const watched = new Set(this.watched);
      // Those of processes that have ended as well.
      if (this.rateLimits.isShared) for (const tenantId of await this.transactions.forSystem((tx) => this.quotas.listRaised(tx))) watched.add(tenantId);
      for (const tenantId of watched) this.check(tenantId, this.known.get(tenantId) ?? this.meet(tenantId));
    } catch (error) {
      this.logger.debug({ err: error }, 'it could not be looked for tenants whose calls have become fewer');
    } finally {
      this.isSweeping = false;
    }
  }
}
