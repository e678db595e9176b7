import { Global, Module } from '@nestjs/common';
import { IdempotencyKeysRepository } from './idempotency-keys.repository.js';
import { IdempotencyKeys } from './idempotency-keys.service.js';

/** The first answer again for a request that is sent again. Global, since `@Idempotent` brings its interceptor into the module of the route. */
@Global()
@Module({
  providers: [IdempotencyKeys, IdempotencyKeysRepository],
  exports: [IdempotencyKeys],
})
export class IdempotencyModule {}
