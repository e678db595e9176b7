import { Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, RequirePermission, type Principal } from '../../common/principal.js';
import { UuidParam } from '../../common/validation.js';
import { ListDeliveriesQueryDto, WebhookDeliveryDetailsDto, WebhookDeliveryListDto } from '../dto/webhook-delivery.dto.js';
import { Deliveries } from './deliveries.service.js';

@ApiTags('Webhooks')
@Controller('api/v1/webhooks/:id/deliveries')
export class DeliveriesController {
  constructor(private readonly deliveries: Deliveries) {}

  /** Lists what was sent to a webhook in the last 30 days at least, or is about to be, newest first. */
  @Get()
  @RequirePermission('read')
  list(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @Query() query: ListDeliveriesQueryDto): Promise<WebhookDeliveryListDto> {
    return this.deliveries.list(principal, id, query);
  }

  /** Reads one delivery, with its body and every attempt. */
  @Get(':delivery_id')
  @RequirePermission('read')
  get(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @UuidParam('delivery_id') deliveryId: string): Promise<WebhookDeliveryDetailsDto> {
    return this.deliveries.get(principal, id, deliveryId);
  }

  /** Sends one again from the beginning, under the same `webhook-id`. */
  @Post(':delivery_id/replay')
  @HttpCode(202)
  @RequirePermission('write')
  replay(@CurrentPrincipal() principal: Principal, @UuidParam() id: string, @UuidParam('delivery_id') deliveryId: string): Promise<WebhookDeliveryDetailsDto> {
    return this.deliveries.replay(principal, id, deliveryId);
  }
}
