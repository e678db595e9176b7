import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { Counter, Histogram } from 'prom-client';
import { Config } from '../../config/config.js';
import { Listener } from '../../events/listener.js';
import { Metrics } from '../../metrics/metrics.js';
import { Transactions } from '../../persistence/transactions.js';
import { DELIVERY_CHANNEL } from './delivery-channel.js';
import { envelopeOf, messageIdOf } from './message.js';
import { OutgoingRepository, type Outgoing } from './outgoing.repository.js';
import { delaySeconds } from './retry-schedule.js';
import { WebhookCalls, type CallOutcome } from './webhook-calls.js';

/** Finds what is to be tried again, and what no notification told of. */
const POLL_MS = 2000;
/** Of this process. An endpoint that hangs takes fifteen seconds, and has no more than its share: neither its tenant nor the others wait for it. */
const AT_ONCE = 32;
const AT_ONCE_OF_A_TENANT = 12;
const AT_ONCE_TO_AN_ENDPOINT = 4;
/** At shutdown what is under way may end, for so long. */
const DRAIN_MS = 3000;
/** Then an endpoint that only ever failed is switched off. */
const FAILING_DAYS = 5;
const DURATION_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];

/**
 * Sends what is due, in processes whose ROLE is `worker` or `all`. Each attempt is leased by the database's clock: what a process did not end,
 * because it was killed or cut off, is due again for any other when the lease has run out, under the same id.
 */
@Injectable()
export class DeliverySender implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(DeliverySender.name);
  private readonly results: Counter<'result'>;
  private readonly durations: Histogram;
  private readonly sending = new Map<Outgoing, Promise<void>>();
  private readonly stopping = new AbortController();
  private isRunning = false;
  private looking: Promise<void> | undefined;
  private isAnnounced = false;
  private isAway = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly config: Config,
    private readonly transactions: Transactions,
    private readonly outgoing: OutgoingRepository,
    private readonly calls: WebhookCalls,
    listener: Listener,
    metrics: Metrics,
  ) {
    this.results = metrics.counter('morag_webhook_deliveries_total', 'Attempts to deliver a webhook: delivered, to be retried, or failed for good', ['result']);
    this.durations = metrics.histogram('morag_webhook_delivery_seconds', 'How long endpoints took to answer, or not to', DURATION_BUCKETS);
    if (config.env.ROLE !== 'api') listener.hear(DELIVERY_CHANNEL, () => this.look());
  }

  onApplicationBootstrap(): void {
    if (this.config.env.ROLE === 'api') return;
    this.isRunning = true;
    this.timer = setInterval(() => this.look(), POLL_MS);
    this.timer.unref();
    this.look();
  }

  /** Before anything closes: what is under way needs the way out, and the database for its end. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isRunning = false;
    clearInterval(this.timer);
    await this.looking;
    const patience = setTimeout(() => this.stopping.abort(new Error('the server stops')), DRAIN_MS);
    await Promise.all(this.sending.values());
    clearTimeout(patience);
  }

  /** At once, or once more after the look that is under way. */
  private look(): void {
    if (!this.isRunning) return;
    this.isAnnounced = true;
    this.looking ??= this.lookWhileAnnounced().finally(() => {
      this.looking = undefined;
      // Between its last glance and its end.
      if (this.isAnnounced) this.look();
    });
  }

  private async lookWhileAnnounced(): Promise<void> {
    while (this.isRunning && this.isAnnounced) {
      this.isAnnounced = false;
      const room = AT_ONCE - this.sending.size;
      if (room > 0) await this.takeUp(room);
    }
  }

  private async takeUp(total: number): Promise<void> {
    try {
      const bounds = { total, perTenant: AT_ONCE_OF_A_TENANT, perLane: AT_ONCE_TO_AN_ENDPOINT };
      const claimed = await this.transactions.forSystem((tx) => this.outgoing.claim(tx, [...this.sending.keys()], bounds));
      for (const delivery of claimed) this.sending.set(delivery, this.send(delivery));
      this.isAway = false;
    } catch (error) {
      // Once an outage.
      if (!this.isAway) this.logger.warn({ err: error }, 'webhook deliveries could not be looked for; trying again');
      this.isAway = true;
    }
  }

  /** Whatever happens here, the lease of a delivery whose end was not written down runs out, and it is sent again. */
  private async send(delivery: Outgoing): Promise<void> {
    try {
      await this.attempt(delivery);
    } catch (error) {
      this.logger.warn({ err: error, delivery_id: delivery.id, attempt: delivery.attempt }, 'an attempt to deliver a webhook was cut short and will be made again');
    } finally {
      this.sending.delete(delivery);
      this.look();
    }
  }

  private async attempt(delivery: Outgoing): Promise<void> {
    const { tenantId, id, webhookId, url, secret, previousSecret, previousSecretUntil } = delivery;
    const secrets = { secret, previousSecret, previousSecretUntil };
    const secretsPlace = webhookId === null ? (`webhook_signing_secrets/${tenantId}` as const) : (`webhooks/${webhookId}` as const);
    try {
      const outcome = await this.calls.call({ url, messageId: messageIdOf(id), envelope: envelopeOf(delivery), secretsPlace, secrets }, this.stopping.signal);
      this.durations.observe(outcome.durationMs / 1000);
      await this.record(delivery, outcome);
    } catch (error) {
      if (!this.stopping.signal.aborted) throw error;
      await this.transactions.forTenant(tenantId, (tx) => this.outgoing.handBack(tx, delivery));
    }
  }

  private async record(delivery: Outgoing, outcome: CallOutcome): Promise<void> {
    const { tenantId, id, webhookId, failures, isLast } = delivery;
    const isOver = isLast || outcome.error === 'gone';
    const result = outcome.error === null ? 'delivered' : isOver ? 'failed' : 'retried';
    const isDisabled = await this.transactions.forTenant(tenantId, async (tx) => {
      const isMine =
        result === 'delivered'
          ? await this.outgoing.recordSuccess(tx, delivery, outcome)
          : result === 'failed'
            ? await this.outgoing.recordLastFailure(tx, delivery, outcome)
            : await this.outgoing.recordFailure(tx, delivery, outcome, delaySeconds(failures + 1, outcome.retryAfter));
      if (!isMine || webhookId === null) return false;
      if (outcome.error === null) await this.outgoing.clearFailing(tx, webhookId);
      else if (outcome.error === 'gone') await this.outgoing.disableGone(tx, webhookId);
      else return this.outgoing.noteFailing(tx, webhookId, FAILING_DAYS);
      return outcome.error === 'gone';
    });
    this.results.inc({ result });
    if (result !== 'delivered') this.logger.debug({ delivery_id: id, webhook_id: webhookId, attempt: delivery.attempt, code: outcome.error, status_code: outcome.statusCode }, 'a webhook was not delivered');
    if (isDisabled) this.logger.warn({ webhook_id: webhookId, tenant_id: tenantId, code: outcome.error }, 'a webhook was switched off');
  }
}
