import { Module, type DynamicModule } from '@nestjs/common';
import { Transactions } from '../persistence/transactions.js';
import { FencedCaches } from './fenced-cache.js';
import { Listener } from './listener.js';
import { TenantChanges } from './tenant-changes.js';

/** What the processes on one database tell each other. */
@Module({})
export class EventsModule {
  static forRoot(databaseUrl: string): DynamicModule {
    return {
      module: EventsModule,
      global: true,
      providers: [{ provide: Listener, inject: [Transactions], useFactory: (transactions: Transactions) => new Listener(databaseUrl, transactions) }, TenantChanges, FencedCaches],
      exports: [TenantChanges, FencedCaches],
    };
  }
}
