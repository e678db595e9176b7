import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Config } from '../config/config.js';
import { OutboundMetrics } from './outbound.metrics.js';
import { Outbound } from './outbound.js';

/** The one way out to addresses that users name. */
@Global()
@Module({
  providers: [OutboundMetrics, { provide: Outbound, inject: [Config, OutboundMetrics], useFactory: ({ env }: Config, metrics: OutboundMetrics) => new Outbound({ allow: env.OUTBOUND_ALLOW, note: (outcome, seconds) => metrics.note(outcome, seconds) }) }],
  exports: [Outbound],
})
export class OutboundModule implements OnApplicationShutdown {
  constructor(private readonly outbound: Outbound) {}

  async onApplicationShutdown(): Promise<void> {
    await this.outbound.close();
  }
}
