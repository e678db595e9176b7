import { Injectable, Logger } from '@nestjs/common';
import type { Counter } from 'prom-client';
import type { EventSubscriber, PublishedEvent } from '../events/event.js';
import { Metrics } from '../metrics/metrics.js';

/** Published by a trigger of `tenant_quotas`. */
const QUOTA_EVENTS = ['quota.warning', 'quota.exceeded', 'quota.recovered'] as const;

/** Shows the operator when tenants come near their limits: a line in the log and a counter for each crossing. */
@Injectable()
export class QuotaCrossings implements EventSubscriber {
  readonly name = 'quota-crossings';
  readonly types = QUOTA_EVENTS;
  private readonly logger = new Logger(QuotaCrossings.name);
  private readonly crossings: Counter<'resource' | 'type'>;

  constructor(metrics: Metrics) {
    this.crossings = metrics.counter('morag_quota_crossings_total', 'Quotas of tenants that crossed their warning threshold or their limit', ['resource', 'type']);
  }

  committed({ id, tenantId, type, payload }: PublishedEvent): void {
    const { resource, level, previous_level } = payload as { resource: string; level: string; previous_level: string };
    this.crossings.inc({ resource, type });
    this.logger.log({ event_id: id, tenant_id: tenantId, type, resource, level, previous_level }, 'a quota was crossed');
  }
}
