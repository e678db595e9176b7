import { Module, type DynamicModule } from '@nestjs/common';
import { Transactions } from '../persistence/transactions.js';
import { EventDispatcher } from './event-dispatcher.js';
import { FencedCaches } from './fenced-cache.js';
import { Listener } from './listener.js';
import { Outbox } from './outbox.js';
import { OutboxMetrics } from './outbox.metrics.js';
import { OutboxRepository } from './outbox.repository.js';
import { TenantChanges } from './tenant-changes.js';

/** What the processes on one database tell each other, and what modules tell each other through it. */
@Module({})
export class EventsModule {
  static forRoot(databaseUrl: string): DynamicModule {
    const listener = { provide: Listener, inject: [Transactions], useFactory: (transactions: Transactions) => new Listener(databaseUrl, transactions) };
    return {
      module: EventsModule,
      global: true,
      providers: [listener, TenantChanges, FencedCaches, OutboxRepository, Outbox, EventDispatcher, OutboxMetrics],
      exports: [Listener, TenantChanges, FencedCaches, Outbox],
    };
  }
}
