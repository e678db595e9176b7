import { Injectable, Logger } from '@nestjs/common';
import { Metrics } from '../metrics/metrics.js';
import { RememberedLook } from '../metrics/remembered-look.js';
import { QueueMonitor } from './queue-monitor.service.js';
import type { QueueDepth } from './queue-state.js';

/** How much work waits and for how long, for Prometheus; the same in every process, so take the greatest and not the sum. */
@Injectable()
export class QueueMetrics {
  constructor(metrics: Metrics, monitor: QueueMonitor) {
    const logger = new Logger(QueueMetrics.name);
    const depths = new RememberedLook('the depths of the queues', logger, () => monitor.depths());
    const byQueue = (number: (depth: QueueDepth) => number) => async () => {
      const known = await depths.read();
      return known && Object.fromEntries(known.map((depth) => [depth.name, number(depth)]));
    };
    metrics.gaugeBy('morag_queue_waiting', 'Jobs and tasks that are due and that nobody has taken', 'queue', byQueue(({ waiting }) => waiting));
    metrics.gaugeBy('morag_queue_delayed', 'Jobs and tasks that are due later, put off or to be tried again', 'queue', byQueue(({ delayed }) => delayed));
    metrics.gaugeBy('morag_queue_running', 'Jobs and tasks that workers are at', 'queue', byQueue(({ running }) => running));
    metrics.gaugeBy('morag_queue_oldest_waiting_seconds', 'How long the first of those that wait has been due; 0 when none waits', 'queue', byQueue(({ oldestWaitingSeconds }) => oldestWaitingSeconds ?? 0));
    const workers = new RememberedLook('the workers', logger, () => monitor.workers());
    metrics.gaugeBy('morag_workers', 'Processes that run jobs, by whether they gave a sign of life lately', 'state', async () => {
      const known = await workers.read();
      if (!known) return undefined;
      const alive = known.filter(({ isAlive }) => isAlive).length;
      return { alive, silent: known.length - alive };
    });
  }
}
