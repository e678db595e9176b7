import { Injectable } from '@nestjs/common';
import { Cursors, pageOf } from '../../common/pagination.js';
import type { Principal } from '../../common/principal.js';
import { Transactions, type TenantTx } from '../../persistence/transactions.js';
import { WebhookDeliveryDetailsDto, WebhookDeliveryDto, type ListDeliveriesQueryDto, type WebhookDeliveryListDto } from '../dto/webhook-delivery.dto.js';
import { WebhookDeliveryNotFound, WebhookSwitchedOff } from '../webhooks.errors.js';
import { WebhooksService } from '../webhooks.service.js';
import { DeliveriesRepository } from './deliveries.repository.js';

/** What was sent to a webhook, or is about to be, as people look at it. */
@Injectable()
export class Deliveries {
  constructor(
    private readonly transactions: Transactions,
    private readonly webhooks: WebhooksService,
    private readonly deliveries: DeliveriesRepository,
    private readonly cursors: Cursors,
  ) {}

  /** @throws WebhookNotFound */
  async list(principal: Principal, webhookId: string, query: ListDeliveriesQueryDto): Promise<WebhookDeliveryListDto> {
    const filter = { webhookId, status: query.status, eventType: query.event_type };
    const scope = `webhook-deliveries ${principal.tenantId} ${JSON.stringify(filter)}`;
    const before = this.cursors.decode(query.cursor, scope);
    const rows = await this.transactions.forTenantReading(principal.tenantId, async (tx) => {
      await this.webhooks.require(tx, principal, webhookId);
      return this.deliveries.listNewestFirst(tx, filter, { limit: query.limit + 1, before });
    });
    const page = pageOf(rows, query.limit);
    return { deliveries: page.rows.map((row) => WebhookDeliveryDto.from(row)), ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  /** @throws WebhookNotFound, WebhookDeliveryNotFound */
  get(principal: Principal, webhookId: string, id: string): Promise<WebhookDeliveryDetailsDto> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      await this.webhooks.require(tx, principal, webhookId);
      return this.details(tx, webhookId, id);
    });
  }

  /** Once more, under the same id. @throws WebhookNotFound, WebhookDeliveryNotFound, WebhookSwitchedOff, WebhooksSwitchedOff */
  replay(principal: Principal, webhookId: string, id: string): Promise<WebhookDeliveryDetailsDto> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const { isActive } = await this.webhooks.require(tx, principal, webhookId);
      await this.details(tx, webhookId, id);
      if (!isActive) throw new WebhookSwitchedOff();
      await this.webhooks.requireSwitchedOn(tx);
      await this.deliveries.replay(tx, webhookId, id);
      return this.details(tx, webhookId, id);
    });
  }

  private async details(tx: TenantTx, webhookId: string, id: string): Promise<WebhookDeliveryDetailsDto> {
    const found = await this.deliveries.find(tx, webhookId, id);
    if (!found) throw new WebhookDeliveryNotFound();
    return WebhookDeliveryDetailsDto.withAttempts(found.delivery, found.attempts);
  }
}
