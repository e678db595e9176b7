import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pLimit from 'p-limit';
import type { Counter } from 'prom-client';
import { Metrics } from '../metrics/metrics.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import type { EventSubscriber } from './event.js';
import { Listener } from './listener.js';
import { Outbox } from './outbox.js';
import { OutboxRepository, type HeldEvent } from './outbox.repository.js';

/** Announced by a trigger at commit; the payload is the tenant's id. */
const EVENT_CHANNEL = 'morag_event';
/** Finds what was to be tried again, and what no notification told of. */
const POLL_MS = 5000;
/** Few, so that most of the pool is left to requests. */
const TENANTS_AT_ONCE = 2;
const TENANTS_A_POLL = 200;
/** Then it is another tenant's turn. */
const EVENTS_A_TURN = 20;

/** Who took part in a transaction that dispatched an event, or tried to. */
interface Dispatch {
  event: HeldEvent;
  done: EventSubscriber[];
}

/**
 * Tells subscribers of events, in every process: of one tenant's one after the other, in the order in which they were published. Only what
 * failed is overtaken.
 *
 * What a subscriber writes and the note that it is done with the event are one transaction, which holds the event's row. So each effect happens
 * once, over any number of processes, and after a crash whoever comes next begins where the last transaction ended.
 */
@Injectable()
export class EventDispatcher implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(EventDispatcher.name);
  private readonly failures: Counter<'subscriber'>;
  private readonly turns = pLimit(TENANTS_AT_ONCE);
  /** Tenants that wait for their turn or have it, each with whether to look once more: something was announced since. */
  private readonly looking = new Map<string, boolean>();
  private readonly working = new Set<Promise<void>>();
  private isRunning = false;
  private isPolling = false;
  private isAway = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly transactions: Transactions,
    private readonly events: OutboxRepository,
    private readonly outbox: Outbox,
    listener: Listener,
    metrics: Metrics,
  ) {
    this.failures = metrics.counter('morag_event_failures_total', 'Times that a subscriber failed to handle an event, which is then tried again', ['subscriber']);
    listener.hear(EVENT_CHANNEL, (tenantId) => {
      // What has happened is to be seen in lists at once, whichever process did it.
      transactions.noteWrite(tenantId);
      this.look(tenantId);
    });
    listener.onConnected(() => this.keep(this.poll()));
  }

  onApplicationBootstrap(): void {
    this.isRunning = true;
    this.timer = setInterval(() => this.keep(this.poll()), POLL_MS);
    this.timer.unref();
    this.keep(this.poll());
  }

  /** What is under way ends; what waits is left to the others, or to the next start. */
  async onApplicationShutdown(): Promise<void> {
    this.isRunning = false;
    clearInterval(this.timer);
    while (this.working.size > 0) await Promise.all(this.working);
  }

  private keep(work: Promise<void>): void {
    this.working.add(work);
    void work.finally(() => this.working.delete(work));
  }

  private async poll(): Promise<void> {
    if (!this.isRunning || this.isPolling) return;
    this.isPolling = true;
    try {
      for (const tenantId of await this.transactions.forSystem((tx) => this.events.listTenantsWithDue(tx, TENANTS_A_POLL))) this.look(tenantId);
      this.isAway = false;
    } catch (error) {
      // Once an outage.
      if (!this.isAway) this.logger.warn({ err: error }, 'events could not be looked for; trying again');
      this.isAway = true;
    } finally {
      this.isPolling = false;
    }
  }

  private look(tenantId: string): void {
    if (!this.isRunning) return;
    if (this.looking.has(tenantId)) {
      this.looking.set(tenantId, true);
      return;
    }
    this.looking.set(tenantId, false);
    this.keep(this.turns(() => this.takeTurn(tenantId)));
  }

  private async takeTurn(tenantId: string): Promise<void> {
    let isLeft = true;
    for (let told = 0; isLeft && told < EVENTS_A_TURN && this.isRunning; told++) {
      this.looking.set(tenantId, false);
      isLeft = await this.dispatchNext(tenantId);
    }
    const isAnnounced = this.looking.get(tenantId);
    this.looking.delete(tenantId);
    if (isLeft || isAnnounced) this.look(tenantId);
  }

  /** Answers whether there may be more to do for this tenant now. */
  private async dispatchNext(tenantId: string): Promise<boolean> {
    let held: HeldEvent | null = null;
    try {
      const dispatch = await this.transactions.forTenant(tenantId, async (tx) => {
        held = await this.events.holdNext(tx);
        return held && this.dispatch(tx, held);
      });
      for (const subscriber of dispatch?.done ?? []) subscriber.committed?.(dispatch!.event);
      return dispatch !== null;
    } catch (error) {
      this.logger.warn({ err: error, tenant_id: tenantId }, 'an event was not dispatched and will be tried again');
      return held !== null && this.postpone(held);
    }
  }

  /** Each for itself, so that one that fails keeps no other from its event. */
  private async dispatch(tx: TenantTx, event: HeldEvent): Promise<Dispatch> {
    const subscribers = this.outbox.subscribersTo(event.type);
    const done: EventSubscriber[] = [];
    for (const subscriber of subscribers) {
      if (!event.handledBy.includes(subscriber.name) && (await this.tell(tx, subscriber, event))) done.push(subscriber);
    }
    const handledBy = [...event.handledBy, ...done.map(({ name }) => name)];
    await this.events.settle(tx, event, handledBy, subscribers.every(({ name }) => handledBy.includes(name)));
    return { event, done };
  }

  private async tell(tx: TenantTx, subscriber: EventSubscriber, event: HeldEvent): Promise<boolean> {
    try {
      await this.events.undoneWhenItFails(tx, async () => subscriber.handle?.(tx, event));
      return true;
    } catch (error) {
      this.failures.inc({ subscriber: subscriber.name });
      this.logger.warn({ err: error, event_id: event.id, type: event.type, subscriber: subscriber.name, attempt: event.attempts + 1 }, 'a subscriber failed and will be asked again');
      return false;
    }
  }

  /** The whole transaction is lost. The event must not stand before the others until it can be done. */
  private async postpone(event: HeldEvent): Promise<boolean> {
    try {
      await this.transactions.forTenant(event.tenantId, (tx) => this.events.postpone(tx, event));
      return true;
    } catch (error) {
      this.logger.debug({ err: error, event_id: event.id }, 'and cannot be postponed: the database is away');
      return false;
    }
  }
}
