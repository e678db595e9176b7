import { Module } from '@nestjs/common';
import { IdempotencyKeysRepository } from './idempotency-keys.repository.js';
import { IdempotencyKeys } from './idempotency-keys.service.js';

/** The first answer again for a request that is sent again. */
@Module({
  providers: [IdempotencyKeys, IdempotencyKeysRepository],
  exports: [IdempotencyKeys],
})
export class IdempotencyModule {}
