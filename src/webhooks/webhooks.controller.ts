import { Body, Controller, Delete, Get, HttpCode, Patch, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { UntilHungUp } from '../common/hanging-up.js';
import { PageQueryDto } from '../common/pagination.js';
import { CurrentPrincipal, RequirePermission, type Principal } from '../common/principal.js';
import { UuidParam } from '../common/validation.js';
import { Idempotent } from '../idempotency/idempotent.js';
import { CreateWebhookDto, RotateWebhookSecretDto, SigningSecretDto, UpdateWebhookDto, WebhookDto, WebhookListDto, WebhookWithSecretDto } from './dto/webhook.dto.js';
import { WebhookTestDto } from './dto/webhook-delivery.dto.js';
import { IngestWebhooks } from './ingest-webhooks.service.js';
import { WebhookTests } from './webhook-tests.service.js';
import { WebhooksService } from './webhooks.service.js';

@ApiTags('Webhooks')
@Controller('api/v1/webhooks')
export class WebhooksController {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly tests: WebhookTests,
    private readonly ingestWebhooks: IngestWebhooks,
  ) {}

  /** Registers an endpoint that is told what happens. `secret` is shown in this answer only. */
  @Post()
  @Idempotent({ secrets: ['secret'] })
  @RequirePermission('write')
  create(@CurrentPrincipal() principal: Principal, @Body() dto: CreateWebhookDto): Promise<WebhookWithSecretDto> {
    return this.webhooks.create(principal, dto);
  }

  /** Lists the webhooks, newest first. */
  @Get()
  @RequirePermission('read')
  list(@CurrentPrincipal() principal: Principal, @Query() query: PageQueryDto): Promise<WebhookListDto> {
    return this.webhooks.list(principal, query);
  }

  /** A new secret for what is sent to the `webhook_url` of an ingest, which has no webhook of its own. It is shown in this answer only; the one before it signs as well until the grace ends. */
  @Post('signing-secret')
  @Idempotent({ secrets: ['secret'] })
  @RequirePermission('write')
  rotateSigningSecret(@CurrentPrincipal() principal: Principal, @Body() dto: RotateWebhookSecretDto): Promise<SigningSecretDto> {
    return this.ingestWebhooks.rotateSecret(principal, dto.grace_seconds);
  }

  /** Reads one webhook, without its secret. */
  @Get(':id')
  @RequirePermission('read')
  get(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<WebhookDto> {
    return this.webhooks.get(principal, id);
  }

  /** Changes only the fields that are named. */
  @Put(':id')
  @RequirePermission('write')
  put(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: UpdateWebhookDto): Promise<WebhookDto> {
    return this.webhooks.update(principal, id, dto);
  }

  /** Changes only the fields that are named. */
  @Patch(':id')
  @RequirePermission('write')
  patch(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: UpdateWebhookDto): Promise<WebhookDto> {
    return this.webhooks.update(principal, id, dto);
  }

  /** Removes a webhook, with what was still to be sent to it. */
  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('write')
  remove(@CurrentPrincipal() principal: Principal, @UuidParam() id: string): Promise<void> {
    return this.webhooks.remove(principal, id);
  }

  /** Sends an event of type `webhook.test` while you wait, 15 seconds at most. A failure is a 200, too: `success` is false, and `error` says why. */
  @Post(':id/test')
  @HttpCode(200)
  @RequirePermission('write')
  test(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @UntilHungUp() signal: AbortSignal): Promise<WebhookTestDto> {
    return this.tests.test(principal, id, signal);
  }

  /** Replaces the secret. `secret` is shown in this answer only; the one before it signs as well until the grace ends. */
  @Post(':id/rotate-secret')
  @HttpCode(200)
  @Idempotent({ secrets: ['secret'] })
  @RequirePermission('write')
  rotateSecret(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Body() dto: RotateWebhookSecretDto): Promise<WebhookWithSecretDto> {
    return this.webhooks.rotateSecret(principal, id, dto.grace_seconds);
  }
}
