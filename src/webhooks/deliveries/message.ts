import type { WebhookDeliveryEntity } from './webhook-delivery.entity.js';

/** What a receiver tells apart duplicates by: `webhook-id` of every attempt. */
export const messageIdOf = (deliveryId: string): string => `msg_${deliveryId}`;

export interface Envelope {
  type: string;
  /** When it happened, ISO 8601. */
  timestamp: string;
  data: object;
}

/** The body that Standard Webhooks recommends; of one delivery always the same bytes. */
export function envelopeOf({ eventType, eventAt, data }: Pick<WebhookDeliveryEntity, 'eventType' | 'eventAt' | 'data'>): Envelope {
  return { type: eventType, timestamp: eventAt.toISOString(), data };
}
