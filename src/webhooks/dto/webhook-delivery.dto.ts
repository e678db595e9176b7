import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { PageInfoDto, PageQueryDto } from '../../common/pagination.js';
import { Omittable } from '../../common/validation.js';
import type { AttemptRow } from '../deliveries/deliveries.repository.js';
import { envelopeOf, messageIdOf, type Envelope } from '../deliveries/message.js';
import { CALL_FAILURES, type CallFailure } from '../deliveries/webhook-calls.js';
import { DELIVERY_STATUSES, type DeliveryStatus, type WebhookDeliveryEntity } from '../deliveries/webhook-delivery.entity.js';
import { WEBHOOK_EVENT_TYPES, type WebhookEventType } from '../event-types.js';

export class WebhookDeliveryDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  /** `webhook-id` of every attempt: by this a receiver tells a second delivery from a new one. */
  message_id: string;
  event_type: string;
  /** What the event tells of; null when that is no document. */
  @ApiProperty({ format: 'uuid' })
  document_id: string | null;
  /** `pending` until it is delivered, or has been tried for a day. */
  @ApiProperty({ enum: DELIVERY_STATUSES })
  status: DeliveryStatus;
  attempt_count: number;
  /** Not before this, and not before what happened earlier to the same document was delivered; null when it has ended. */
  next_attempt_at: Date | null;
  created_at: Date;
  ended_at: Date | null;

  static from(delivery: WebhookDeliveryEntity): WebhookDeliveryDto {
    return {
      id: delivery.id,
      message_id: messageIdOf(delivery.id),
      event_type: delivery.eventType,
      document_id: delivery.documentId,
      status: delivery.status,
      attempt_count: delivery.attempts,
      next_attempt_at: delivery.status === 'pending' ? delivery.dueAt : null,
      created_at: delivery.createdAt,
      ended_at: delivery.endedAt,
    };
  }
}

export class WebhookDeliveryListDto extends PageInfoDto {
  deliveries: WebhookDeliveryDto[];
}

export class WebhookCallDto {
  started_at: Date;
  duration_ms: number;
  /** null when nothing was answered. */
  status_code: number | null;
  /** `status` is an answer outside 2xx, `redirect` one of 3xx, which is not followed, `gone` a 410; `unreachable` an address that cannot be reached or may not be used. */
  @ApiProperty({ enum: CALL_FAILURES, nullable: true })
  error: CallFailure | null;
  /** The first 1024 bytes of the answer. */
  response: string | null;

  static of({ startedAt, durationMs, statusCode, error, response }: Omit<AttemptRow, 'number'>): WebhookCallDto {
    return { started_at: startedAt, duration_ms: durationMs, status_code: statusCode, error, response };
  }
}

export class WebhookAttemptDto extends WebhookCallDto {
  /** From 1; one whose sender was killed is missing. */
  number: number;
}

export class WebhookMessageDto implements Envelope {
  type: string;
  /** When it happened. */
  timestamp: string;
  /** Of the document, job, quota or key, under the names of the API. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  data: object;
}

export class WebhookDeliveryDetailsDto extends WebhookDeliveryDto {
  /** The body that is sent. */
  message: WebhookMessageDto;
  /** Oldest first. */
  attempts: WebhookAttemptDto[];

  static withAttempts(delivery: WebhookDeliveryEntity, attempts: readonly AttemptRow[]): WebhookDeliveryDetailsDto {
    return { ...WebhookDeliveryDto.from(delivery), message: envelopeOf(delivery), attempts: attempts.map((attempt) => ({ number: attempt.number, ...WebhookCallDto.of(attempt) })) };
  }
}

export class ListDeliveriesQueryDto extends PageQueryDto {
  /** Only those that wait, were taken, or were given up. */
  @ApiPropertyOptional({ enum: DELIVERY_STATUSES })
  @Omittable()
  @IsIn(DELIVERY_STATUSES)
  status?: DeliveryStatus;

  /** Only those of this event. */
  @ApiPropertyOptional({ enum: WEBHOOK_EVENT_TYPES })
  @Omittable()
  @IsIn(WEBHOOK_EVENT_TYPES)
  event_type?: WebhookEventType;
}

export class WebhookTestDto extends WebhookCallDto {
  /** Whether the endpoint answered 2xx within 15 seconds. */
  success: boolean;
  /** What was sent as `webhook-id`. */
  message_id: string;
}
