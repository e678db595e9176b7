import { Injectable } from '@nestjs/common';
import { LessThan } from 'typeorm';
import type { TenantTx } from '../persistence/transactions.js';
import { WebhookEntity } from './webhook.entity.js';

export type WebhookChange = Partial<Pick<WebhookEntity, 'url' | 'events' | 'description' | 'isActive' | 'disabledReason' | 'failingSince' | 'secret' | 'previousSecret' | 'previousSecretUntil'>>;

@Injectable()
export class WebhooksRepository {
  async insert(tx: TenantTx, webhook: Pick<WebhookEntity, 'id' | 'url' | 'events' | 'description' | 'isActive' | 'secret'>): Promise<void> {
    await tx.manager.insert(WebhookEntity, { ...webhook, tenantId: tx.tenantId });
  }

  findById(tx: TenantTx, id: string): Promise<WebhookEntity | null> {
    return tx.manager.findOne(WebhookEntity, { where: { tenantId: tx.tenantId, id } });
  }

  lockById(tx: TenantTx, id: string): Promise<WebhookEntity | null> {
    return tx.manager.findOne(WebhookEntity, { where: { tenantId: tx.tenantId, id }, lock: { mode: 'for_no_key_update' } });
  }

  listNewestFirst(tx: TenantTx, page: { limit: number; before: string | null }): Promise<WebhookEntity[]> {
    const before = page.before === null ? {} : { id: LessThan(page.before) };
    return tx.manager.find(WebhookEntity, { where: { tenantId: tx.tenantId, ...before }, order: { id: 'DESC' }, take: page.limit });
  }

  /** How many there are, while nobody else of the tenant makes one. */
  async lockNumber(tx: TenantTx): Promise<number> {
    await tx.manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`webhooks ${tx.tenantId}`]);
    return tx.manager.countBy(WebhookEntity, { tenantId: tx.tenantId });
  }

  async update(tx: TenantTx, id: string, change: WebhookChange): Promise<void> {
    await tx.manager.update(WebhookEntity, { tenantId: tx.tenantId, id }, { ...change, updatedAt: new Date() });
  }

  /** With what was to be sent to it, and that first: whoever writes down what came of an attempt has the delivery before the webhook. @returns false when there is none any more */
  async remove(tx: TenantTx, id: string): Promise<boolean> {
    await tx.manager.query('DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2', [tx.tenantId, id]);
    const { affected } = await tx.manager.delete(WebhookEntity, { tenantId: tx.tenantId, id });
    return affected === 1;
  }

  async areSwitchedOn(tx: TenantTx): Promise<boolean> {
    const rows = await tx.manager.query<{ on: boolean }[]>(`SELECT (configuration ->> 'enableWebhooks')::boolean IS NOT FALSE AS on FROM tenants WHERE id = $1`, [tx.tenantId]);
    return rows[0]?.on ?? false;
  }
}
