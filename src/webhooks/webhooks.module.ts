import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Outbox } from '../events/outbox.js';
import { JobRegistry } from '../jobs/job-registry.js';
import { DeliveriesController } from './deliveries/deliveries.controller.js';
import { DeliveriesRepository } from './deliveries/deliveries.repository.js';
import { Deliveries } from './deliveries/deliveries.service.js';
import { DeliveryRetention } from './deliveries/delivery-retention.js';
import { DeliverySender } from './deliveries/delivery-sender.js';
import { EventDeliveries } from './deliveries/event-deliveries.js';
import { OutgoingRepository } from './deliveries/outgoing.repository.js';
import { WebhookCalls } from './deliveries/webhook-calls.js';
import { WebhookDeliveryEntity } from './deliveries/webhook-delivery.entity.js';
import { IngestWebhooksRepository } from './ingest-webhooks.repository.js';
import { IngestWebhooks } from './ingest-webhooks.service.js';
import { WebhookEntity } from './webhook.entity.js';
import { WebhookTests } from './webhook-tests.service.js';
import { WebhookUrls } from './webhook-urls.js';
import { WebhooksController } from './webhooks.controller.js';
import { WebhooksRepository } from './webhooks.repository.js';
import { WebhooksService } from './webhooks.service.js';

/** Tells tenants' endpoints what happens. */
@Module({
  imports: [TypeOrmModule.forFeature([WebhookEntity, WebhookDeliveryEntity])],
  controllers: [WebhooksController, DeliveriesController],
  providers: [
    WebhooksRepository, WebhooksService, WebhookUrls, WebhookTests, IngestWebhooksRepository, IngestWebhooks,
    DeliveriesRepository, Deliveries, DeliveryRetention, EventDeliveries, OutgoingRepository, WebhookCalls, DeliverySender,
  ],
  exports: [WebhookUrls, IngestWebhooks],
})
export class WebhooksModule {
  constructor(outbox: Outbox, registry: JobRegistry, events: EventDeliveries, retention: DeliveryRetention) {
    outbox.subscribe(events);
    registry.registerSchedule(retention);
  }
}
