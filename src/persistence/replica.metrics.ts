import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';

/** On the replica, or on the primary: the tenant has just written, the replica is behind or away, or it failed in the middle. */
type Outcome = 'replica' | 'written' | 'behind' | 'away' | 'repeated';

/** How often the replica takes work off the primary and why it does not, for Prometheus. */
@Injectable()
export class ReplicaMetrics {
  private readonly reads: Counter<'outcome'>;
  private lagMs: () => number | undefined = () => undefined;

  constructor(metrics: Metrics) {
    this.reads = metrics.counter('morag_replica_reads_total', 'Reads for which a replica would do, by where and why: on it, or on the primary', ['outcome']);
    metrics.gauge('morag_replica_lag_seconds', 'How long ago everything that the replica shows for certain was written', () => {
      const lagMs = this.lagMs();
      return lagMs === undefined ? undefined : lagMs / 1000;
    });
  }

  count(outcome: Outcome): undefined {
    this.reads.inc({ outcome });
  }

  showLag(lagMs: () => number | undefined): void {
    this.lagMs = lagMs;
  }
}
