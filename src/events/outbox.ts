import { Injectable } from '@nestjs/common';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import type { EventSubscriber, NewEvent } from './event.js';
import { OutboxRepository } from './outbox.repository.js';

const REMOVED_AT_ONCE = 5000;

/** Where modules leave events in the transaction of what happened, and say which ones they want to be told of. */
@Injectable()
export class Outbox {
  private readonly subscribers: EventSubscriber[] = [];

  constructor(
    private readonly transactions: Transactions,
    private readonly events: OutboxRepository,
  ) {}

  /** Commits with the caller's transaction, so there is no event without what it tells of, nor the reverse. */
  async publish(tx: TenantTx, event: NewEvent): Promise<void> {
    await this.events.insert(tx, event);
  }

  /** In a module's constructor: an event for which nobody has asked yet counts as dispatched. */
  subscribe(subscriber: EventSubscriber): void {
    if (this.subscribers.some(({ name }) => name === subscriber.name)) throw new Error(`there is a subscriber named ${subscriber.name} already`);
    this.subscribers.push(subscriber);
  }

  subscribersTo(type: string): EventSubscriber[] {
    return this.subscribers.filter(({ types }) => types.includes(type));
  }

  /** Removes what was dispatched more than 30 days ago. */
  async removeOld(signal: AbortSignal): Promise<void> {
    // Some at a time, so that no transaction is long.
    while (!signal.aborted && (await this.transactions.forSystem((tx) => this.events.removeOld(tx, REMOVED_AT_ONCE))) === REMOVED_AT_ONCE);
  }
}
