import { createHmac } from 'node:crypto';
import { Module, type DynamicModule } from '@nestjs/common';
import { Cursors } from '../common/pagination.js';
import { Sealer } from '../common/sealer.js';
import { Config } from './config.js';

/** Makes the validated configuration, and what is derived from its keys, available everywhere. */
@Module({})
export class ConfigModule {
  static forRoot(config: Config): DynamicModule {
    // A key of its own per purpose, so that a signature made for one is worthless for another.
    const cursorKey = createHmac('sha256', config.sealingKeys[0]).update('cursors').digest();
    return {
      module: ConfigModule,
      global: true,
      providers: [
        { provide: Config, useValue: config },
        { provide: Cursors, useValue: new Cursors(cursorKey) },
        { provide: Sealer, useValue: new Sealer(config.sealingKeys) },
      ],
      exports: [Config, Cursors, Sealer],
    };
  }
}
