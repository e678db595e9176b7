import { Injectable } from '@nestjs/common';
import { errorCode, errorMessage } from '../common/error-code.js';
import { oneAtATime } from '../common/one-at-a-time.js';
import { within } from '../common/within.js';

export const HEALTH_STATUSES = ['up', 'degraded', 'down'] as const;
export type HealthStatus = (typeof HEALTH_STATUSES)[number];

export type HealthDetails = Record<string, string | number | boolean | null>;

/** Something the server depends on, as the module that talks to it can ask after it. */
export interface HealthCheck {
  readonly name: string;
  /** Whether the server is down without it; without any other it only does less. */
  readonly isEssential: boolean;
  /** Asks it now; a rejection says that it is down. Null when there is nothing to ask, as of a library or of what every question costs money. */
  readonly ask: (() => Promise<HealthAnswer>) | null;
  /** What is known without asking. */
  readonly details?: HealthDetails;
}

export interface HealthAnswer {
  /** Why it works worse than it should; left out when it works. */
  degradedBecause?: string;
  details?: HealthDetails;
}

export interface HealthFinding {
  name: string;
  isEssential: boolean;
  status: HealthStatus;
  /** Null when it was not asked. */
  latencyMs: number | null;
  reason: string | null;
  details: HealthDetails;
}

/** Whatever hangs is down by then, and holds up nothing else. */
const PATIENCE_MS = 2000;

/** Where modules leave a check of what they depend on, and whoever looks runs them all. */
@Injectable()
export class HealthChecks {
  private readonly checks: HealthCheck[] = [];

  register(check: HealthCheck): void {
    this.checks.push({ ...check, ask: check.ask && oneAtATime(check.ask) });
  }

  run(): Promise<HealthFinding[]> {
    return Promise.all(this.checks.map((check) => this.find(check)));
  }

  private async find({ name, isEssential, ask, details }: HealthCheck): Promise<HealthFinding> {
    const known = { name, isEssential, details: { ...details } };
    if (!ask) return { ...known, status: 'up', latencyMs: null, reason: null };
    const begun = performance.now();
    try {
      const answer = await within(PATIENCE_MS, ask());
      const reason = answer.degradedBecause ?? null;
      return { ...known, status: reason === null ? 'up' : 'degraded', latencyMs: performance.now() - begun, reason, details: { ...known.details, ...answer.details } };
    } catch (error) {
      return { ...known, status: 'down', latencyMs: performance.now() - begun, reason: errorMessage(error) || errorCode(error) };
    }
  }
}
