import { Injectable } from '@nestjs/common';
import type { Histogram } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';
import type { OutboundOutcome } from './outbound.js';

const BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/** How calls to addresses that users named end, for Prometheus. Never which: those have no end. */
@Injectable()
export class OutboundMetrics {
  private readonly durations: Histogram<'outcome'>;

  constructor(metrics: Metrics) {
    this.durations = metrics.histogram('morag_outbound_duration_seconds', 'Until the headers of the answer, of calls to addresses that users named: the class of its status, or refused, timeout, failed, abandoned', BUCKETS, ['outcome']);
  }

  note(outcome: OutboundOutcome, seconds: number): void {
    this.durations.observe({ outcome }, seconds);
  }
}
