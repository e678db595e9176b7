import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsBoolean, IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { PageInfoDto } from '../../common/pagination.js';
import { IsAbsoluteUrl, Omittable } from '../../common/validation.js';
import { WEBHOOK_EVENT_FILTERS, type WebhookEventFilter } from '../event-types.js';
import { DISABLED_REASONS, type DisabledReason, type WebhookEntity } from '../webhook.entity.js';

const WEEK_SECONDS = 7 * 24 * 3600;
const DAY_SECONDS = 24 * 3600;

export class WebhookDto {
  @ApiProperty({ format: 'uuid' })
  id: string;
  url: string;
  @ApiProperty({ enum: WEBHOOK_EVENT_FILTERS, isArray: true })
  events: WebhookEventFilter[];
  description: string | null;
  is_active: boolean;
  /** Set when the server switched it off: `gone`, it answered 410; `failing`, for five days every attempt failed. */
  @ApiProperty({ enum: DISABLED_REASONS, nullable: true })
  disabled_reason: DisabledReason | null;
  /** First of the failures since the last success; null when the last attempt was one. */
  failing_since: Date | null;
  /** Until then the secret before the last rotation signs as well; null when there is none. */
  previous_secret_expires_at: Date | null;
  created_at: Date;
  updated_at: Date;

  static from(webhook: WebhookEntity): WebhookDto {
    const { previousSecretUntil: until } = webhook;
    return {
      id: webhook.id,
      url: webhook.url,
      events: webhook.events,
      description: webhook.description,
      is_active: webhook.isActive,
      disabled_reason: webhook.disabledReason,
      failing_since: webhook.failingSince,
      previous_secret_expires_at: until !== null && until > new Date() ? until : null,
      created_at: webhook.createdAt,
      updated_at: webhook.updatedAt,
    };
  }
}

export class WebhookListDto extends PageInfoDto {
  webhooks: WebhookDto[];
}

export class WebhookWithSecretDto {
  webhook: WebhookDto;
  /** Verify signatures with this. It is shown in this answer only; one that is repeated for an Idempotency-Key lacks it. */
  @ApiPropertyOptional({ example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' })
  secret?: string;
}

export class CreateWebhookDto {
  /**
   * Receives a POST for each event. It must be public, or be named by the operator in `OUTBOUND_ALLOW`.
   * @example 'https://example.com/hooks/morag'
   */
  @IsAbsoluteUrl()
  url: string;

  /** `*` is every event, `document.*` every one of documents. */
  @ApiProperty({ enum: WEBHOOK_EVENT_FILTERS, isArray: true, maxItems: WEBHOOK_EVENT_FILTERS.length, example: ['document.*', 'quota.exceeded'] })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(WEBHOOK_EVENT_FILTERS.length)
  @ArrayUnique()
  @IsIn(WEBHOOK_EVENT_FILTERS, { each: true })
  events: WebhookEventFilter[];

  /** @example 'Tells the wiki what is searchable' */
  @IsOptional()
  @IsString()
  @MaxLength(500)
  description?: string | null;

  /** Switched off, it is told of nothing that happens; what was to be sent before waits. */
  @ApiPropertyOptional({ default: true })
  @Omittable()
  @IsBoolean()
  is_active: boolean = true;
}

/** Only the fields that are named change. */
export class UpdateWebhookDto {
  /** What waits goes there as well. */
  @Omittable()
  @IsAbsoluteUrl()
  url?: string;

  @ApiPropertyOptional({ enum: WEBHOOK_EVENT_FILTERS, isArray: true, maxItems: WEBHOOK_EVENT_FILTERS.length })
  @Omittable()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(WEBHOOK_EVENT_FILTERS.length)
  @ArrayUnique()
  @IsIn(WEBHOOK_EVENT_FILTERS, { each: true })
  events?: WebhookEventFilter[];

  @IsOptional()
  @IsString()
  @MaxLength(500)
  description?: string | null;

  /** Switching it on forgets why it was switched off. */
  @Omittable()
  @IsBoolean()
  is_active?: boolean;
}

export class RotateWebhookSecretDto {
  /** For how long the old secret signs beside the new one. */
  @ApiPropertyOptional({ type: 'integer', default: DAY_SECONDS, example: DAY_SECONDS })
  @Omittable()
  @IsInt()
  @Min(0)
  @Max(WEEK_SECONDS)
  grace_seconds: number = DAY_SECONDS;
}

export class SigningSecretDto {
  /** Verify with this what comes to the `webhook_url` of an ingest. It is shown in this answer only; one that is repeated for an Idempotency-Key lacks it. */
  @ApiPropertyOptional({ example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' })
  secret?: string;
  /** Until then the secret before it signs as well; null when there is none. */
  previous_secret_expires_at: Date | null;
}
