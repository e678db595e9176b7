import type { TenantTx } from '../persistence/transactions.js';

/** Something that happened to a tenant, named `resource.verb`, the verb in the past. */
export interface NewEvent {
  type: string;
  /** As it goes to whoever is told of it, so without secrets and in the wire's names. */
  payload: Record<string, unknown>;
}

export interface PublishedEvent extends NewEvent {
  /** UUIDv7. */
  id: string;
  tenantId: string;
  createdAt: Date;
}

/** Wants to be told of events. Its name is remembered with each event that it is done with, so it must not change. */
export interface EventSubscriber {
  readonly name: string;
  readonly types: readonly string[];
  /**
   * In the transaction that marks the event as handled by this subscriber, so what it writes through `tx` happens exactly once. No network
   * call belongs inside. A throw undoes what this subscriber wrote, and it is asked again later.
   */
  handle?(tx: TenantTx, event: PublishedEvent): Promise<void>;
  /** After the commit, in this process alone and for its log and numbers only: a process that is killed in between does not get there. */
  committed?(event: PublishedEvent): void;
}
