import { Injectable } from '@nestjs/common';
import type { EventSubscriber, PublishedEvent } from '../../events/event.js';
import type { TenantTx } from '../../persistence/transactions.js';
import { filtersOf, WEBHOOK_EVENT_TYPES } from '../event-types.js';
import { DeliveriesRepository } from './deliveries.repository.js';

const ENDS_OF_AN_INGEST = ['document.ingested', 'document.failed'];

/** What an event tells of, so that what is told of one document stays in order. */
function documentOf({ type, payload }: PublishedEvent): string | null {
  const id = type.startsWith('document.') ? payload['id'] : payload['document_id'];
  return typeof id === 'string' ? id : null;
}

/** Makes one delivery of each event for each endpoint that wants it, in the transaction that dispatches the event: so there is exactly one. */
@Injectable()
export class EventDeliveries implements EventSubscriber {
  readonly name = 'webhooks';
  readonly types = WEBHOOK_EVENT_TYPES;

  constructor(private readonly deliveries: DeliveriesRepository) {}

  async handle(tx: TenantTx, event: PublishedEvent): Promise<void> {
    const { type, createdAt, payload } = event;
    const made = { eventType: type, eventAt: createdAt, documentId: documentOf(event), data: payload };
    await this.deliveries.insertForWebhooks(tx, made, filtersOf(type));
    if (ENDS_OF_AN_INGEST.includes(type) && typeof payload['job_id'] === 'string') await this.deliveries.insertForIngest(tx, made, payload['job_id']);
  }
}
