import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Config } from '../config/config.js';
import { Outbound } from './outbound.js';

/** The one way out to addresses that users name. */
@Global()
@Module({
  providers: [{ provide: Outbound, inject: [Config], useFactory: ({ env }: Config) => new Outbound({ allow: env.OUTBOUND_ALLOW }) }],
  exports: [Outbound],
})
export class OutboundModule implements OnApplicationShutdown {
  constructor(private readonly outbound: Outbound) {}

  async onApplicationShutdown(): Promise<void> {
    await this.outbound.close();
  }
}
