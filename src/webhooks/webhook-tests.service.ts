import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Principal } from '../common/principal.js';
import { Transactions } from '../persistence/transactions.js';
import { envelopeOf, messageIdOf } from './deliveries/message.js';
import { WebhookCalls } from './deliveries/webhook-calls.js';
import { WebhookCallDto, type WebhookTestDto } from './dto/webhook-delivery.dto.js';
import { TEST_EVENT_TYPE } from './event-types.js';
import { WebhooksService } from './webhooks.service.js';

/** The test button: a message at once, signed and sent as every other, of which nothing is kept and nothing follows. */
@Injectable()
export class WebhookTests {
  constructor(
    private readonly transactions: Transactions,
    private readonly webhooks: WebhooksService,
    private readonly calls: WebhookCalls,
  ) {}

  /** Also of a webhook that is switched off. @throws WebhookNotFound, WebhooksSwitchedOff; the reason of `signal` */
  async test(principal: Principal, id: string, signal: AbortSignal): Promise<WebhookTestDto> {
    const webhook = await this.transactions.forTenant(principal.tenantId, async (tx) => {
      const found = await this.webhooks.require(tx, principal, id);
      await this.webhooks.requireSwitchedOn(tx);
      return found;
    });
    const messageId = messageIdOf(uuidv7());
    const envelope = envelopeOf({ eventType: TEST_EVENT_TYPE, eventAt: new Date(), data: { webhook_id: id } });
    const outcome = await this.calls.call({ url: webhook.url, messageId, envelope, secretsPlace: `webhooks/${id}`, secrets: webhook }, signal);
    return { success: outcome.error === null, message_id: messageId, ...WebhookCallDto.of(outcome) };
  }
}
