import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { AdminModule } from './admin/admin.module.js';
import { ApiKeysModule } from './api-keys/api-keys.module.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { AuthenticationGuard } from './auth/authentication.guard.js';
import { PermissionsGuard } from './auth/permissions.guard.js';
import { ProblemDetailsFilter } from './common/problem-details.filter.js';
import { validationPipe } from './common/validation.js';
import type { Config } from './config/config.js';
import { ConfigModule } from './config/config.module.js';
import { DatabasesModule } from './databases/databases.module.js';
import { DocumentsModule } from './documents/documents.module.js';
import { EmbeddingsModule } from './embeddings/embeddings.module.js';
import { EventsModule } from './events/events.module.js';
import { HealthModule } from './health/health.module.js';
import { IdempotencyModule } from './idempotency/idempotency.module.js';
import { JobsModule } from './jobs/jobs.module.js';
import { JobsWorker } from './jobs/jobs.worker.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { OutboundModule } from './outbound/outbound.module.js';
import { PersistenceModule } from './persistence/persistence.module.js';
import { RateLimitGuard } from './rate-limits/rate-limit.guard.js';
import { RateLimitsModule } from './rate-limits/rate-limits.module.js';
import { SearchModule } from './search/search.module.js';
import { TenancyModule } from './tenancy/tenancy.module.js';
import { UsersModule } from './users/users.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

/** The whole server. What wraps a request is registered here once, in the order in which it acts. */
@Module({})
export class AppModule implements OnApplicationShutdown {
  constructor(private readonly worker: JobsWorker) {}

  /** Here, where Nest asks first: what still runs needs the database and the vector store, which close after it. */
  async onApplicationShutdown(): Promise<void> {
    await this.worker.stop();
  }

  static with(config: Config, databaseUrl: string): DynamicModule {
    // What lasts longer than a transaction: listening, and the role of the queue's connections.
    const directUrl = config.env.DATABASE_DIRECT_URL ?? databaseUrl;
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot(config),
        MetricsModule,
        PersistenceModule.forRoot(databaseUrl, config.env),
        EventsModule.forRoot(directUrl),
        AuditModule,
        JobsModule.forRoot(directUrl),
        RateLimitsModule,
        OutboundModule,
        EmbeddingsModule,
        IdempotencyModule,
        TenancyModule,
        UsersModule,
        ApiKeysModule,
        DatabasesModule,
        WebhooksModule,
        DocumentsModule,
        SearchModule,
        AuthModule,
        AdminModule,
        HealthModule,
      ],
      providers: [
        { provide: APP_FILTER, useClass: ProblemDetailsFilter },
        // First who it is, then whether that one may, then how often: each needs what the one before found out,
        // and a call that is refused for want of a permission is not counted.
        { provide: APP_GUARD, useClass: AuthenticationGuard },
        { provide: APP_GUARD, useClass: PermissionsGuard },
        { provide: APP_GUARD, useClass: RateLimitGuard },
        // After the guards, so that a stranger learns nothing from validation errors; before anything is charged. Between them and it comes what
        // `@Idempotent` brings: who may not ask is told no answer of another's either, and the request that is compared is the one that was sent.
        { provide: APP_PIPE, useValue: validationPipe },
      ],
    };
  }
}
