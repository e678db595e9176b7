import { Injectable, Logger } from '@nestjs/common';
import { Metrics } from '../metrics/metrics.js';
import { RememberedLook } from '../metrics/remembered-look.js';
import { Transactions } from '../persistence/transactions.js';
import { OutboxRepository } from './outbox.repository.js';

/** How many events wait for their subscribers and for how long, for Prometheus; the same in every process. */
@Injectable()
export class OutboxMetrics {
  constructor(metrics: Metrics, transactions: Transactions, events: OutboxRepository) {
    const backlog = new RememberedLook('the backlog of events', new Logger(OutboxMetrics.name), () => transactions.forSystem((tx) => events.backlog(tx)));
    metrics.gaugeBy('morag_events', 'Events that are not yet handled by all of their subscribers, by whether they were tried before', 'state', async () => {
      const known = await backlog.read();
      return known && { new: known.waiting - known.retried, retried: known.retried };
    });
    metrics.gauge('morag_events_oldest_seconds', 'Age of the oldest event that is not yet handled; 0 when there is none', async () => (await backlog.read())?.oldestSeconds);
  }
}
