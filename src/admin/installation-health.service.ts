import { Injectable } from '@nestjs/common';
import { errorMessage } from '../common/error-code.js';
import { oneAtATime } from '../common/one-at-a-time.js';
import { within } from '../common/within.js';
import { PendingPurges } from '../documents/pending-purges.service.js';
import { QueueMonitor } from '../jobs/queue-monitor.service.js';
import { HealthChecks } from '../metrics/health-checks.js';
import { InstallationTotals } from '../tenancy/installation-totals.service.js';
import { Reconciliations } from '../tenancy/reconciliations.service.js';
import { InstallationHealthDto, type Sections } from './dto/installation-health.dto.js';

/** A part of the page that takes longer is left out of it. */
const PATIENCE_MS = 3000;

type Look<T> = () => Promise<T>;

/** Everything the operator wants to see at once. No part waits for another, and what cannot be had is missing instead of failing the rest. */
@Injectable()
export class InstallationHealth {
  private readonly looks: { [Name in keyof Sections]: Look<Sections[Name]> };

  constructor(
    private readonly checks: HealthChecks,
    queue: QueueMonitor,
    totals: InstallationTotals,
    purges: PendingPurges,
    reconciliations: Reconciliations,
  ) {
    this.looks = {
      queues: oneAtATime(() => queue.depths()),
      workers: oneAtATime(() => queue.workers()),
      jobs: oneAtATime(() => queue.jobs()),
      totals: oneAtATime(() => totals.read()),
      pendingPurges: oneAtATime(() => purges.read()),
      quotas: oneAtATime(() => reconciliations.latest('quotas')),
      stores: oneAtATime(() => reconciliations.latest('stores')),
    };
  }

  async look(): Promise<InstallationHealthDto> {
    const problems: string[] = [];
    const [dependencies, sections] = await Promise.all([this.checks.run(), this.readSections(problems)]);
    return InstallationHealthDto.from(dependencies, sections, problems);
  }

  private async readSections(problems: string[]): Promise<Partial<Sections>> {
    const read = async ([name, look]: [string, Look<unknown>]): Promise<[string, unknown]> => {
      try {
        return [name, await within(PATIENCE_MS, look())];
      } catch (error) {
        problems.push(`${name} could not be read: ${errorMessage(error)}`);
        return [name, undefined];
      }
    };
    return Object.fromEntries(await Promise.all(Object.entries(this.looks).map(read)));
  }
}
