import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../../persistence/transactions.js';
import { DELIVERY_CHANNEL } from './delivery-channel.js';
import type { CallOutcome } from './webhook-calls.js';
import { WebhookDeliveryEntity, type DeliveryStatus } from './webhook-delivery.entity.js';

export type NewDelivery = Pick<WebhookDeliveryEntity, 'eventType' | 'eventAt' | 'documentId' | 'data'>;

export interface DeliveryFilter {
  webhookId: string;
  status?: DeliveryStatus;
  eventType?: string;
}

/** As it was written down when it ended; one whose sender was killed left nothing. */
export type AttemptRow = Omit<CallOutcome, 'retryAfter'> & { number: number };

const IS_SWITCHED_ON = `EXISTS (SELECT FROM tenants t WHERE t.id = $1 AND (t.configuration ->> 'enableWebhooks')::boolean IS NOT FALSE)`;

const ATTEMPTS = `(
  SELECT jsonb_agg(jsonb_build_object('number', a.number, 'startedAt', a.started_at, 'durationMs', a.duration_ms, 'statusCode', a.status_code, 'error', a.error, 'response', a.response) ORDER BY a.number)
    FROM webhook_attempts a WHERE a.tenant_id = delivery.tenant_id AND a.delivery_id = delivery.id)`;

const valuesOf = (tx: TenantTx, { eventType, eventAt, documentId, data }: NewDelivery): unknown[] => [tx.tenantId, eventType, eventAt, documentId, JSON.stringify(data)];

@Injectable()
export class DeliveriesRepository {
  /** One for each webhook that is switched on and has one of these filters. */
  async insertForWebhooks(tx: TenantTx, delivery: NewDelivery, filters: readonly string[]): Promise<void> {
    await tx.manager.query(
      `INSERT INTO webhook_deliveries (tenant_id, webhook_id, lane, event_type, event_at, document_id, data)
       SELECT tenant_id, id, id::text, $2::text, $3::timestamptz, $4::uuid, $5::jsonb FROM webhooks WHERE tenant_id = $1 AND is_active AND events && $6::text[] AND ${IS_SWITCHED_ON}`,
      [...valuesOf(tx, delivery), filters],
    );
  }

  /** One for the `webhook_url` of the ingest, when it has one. */
  async insertForIngest(tx: TenantTx, delivery: NewDelivery, jobId: string): Promise<void> {
    await tx.manager.query(
      `INSERT INTO webhook_deliveries (tenant_id, url, lane, event_type, event_at, document_id, data)
       SELECT tenant_id, url, substring(url FROM '^[a-z]+://[^/?#]+'), $2::text, $3::timestamptz, $4::uuid, $5::jsonb FROM ingest_webhooks WHERE tenant_id = $1 AND job_id = $6 AND ${IS_SWITCHED_ON}`,
      [...valuesOf(tx, delivery), jobId],
    );
  }

  listNewestFirst(tx: TenantTx, filter: DeliveryFilter, page: { limit: number; before: string | null }): Promise<WebhookDeliveryEntity[]> {
    const query = tx.manager
      .createQueryBuilder(WebhookDeliveryEntity, 'delivery')
      .where('delivery.tenant_id = :tenantId AND delivery.webhook_id = :webhookId', { tenantId: tx.tenantId, webhookId: filter.webhookId });
    if (filter.status !== undefined) query.andWhere('delivery.status = :status', { status: filter.status });
    if (filter.eventType !== undefined) query.andWhere('delivery.event_type = :eventType', { eventType: filter.eventType });
    if (page.before !== null) query.andWhere('delivery.id < :before', { before: page.before });
    return query.orderBy('delivery.id', 'DESC').limit(page.limit).getMany();
  }

  /** In one statement: an attempt that ends between two would be shown without what came of it, or what came of it without the attempt. */
  async find(tx: TenantTx, webhookId: string, id: string): Promise<{ delivery: WebhookDeliveryEntity; attempts: AttemptRow[] } | null> {
    const { entities, raw } = await tx.manager
      .createQueryBuilder(WebhookDeliveryEntity, 'delivery')
      .addSelect(ATTEMPTS, 'attempts_made')
      .where('delivery.tenant_id = :tenantId AND delivery.webhook_id = :webhookId AND delivery.id = :id', { tenantId: tx.tenantId, webhookId, id })
      .getRawAndEntities<{ attempts_made: (Omit<AttemptRow, 'startedAt'> & { startedAt: string })[] | null }>();
    const [delivery] = entities;
    if (!delivery) return null;
    return { delivery, attempts: (raw[0]!.attempts_made ?? []).map((attempt) => ({ ...attempt, startedAt: new Date(attempt.startedAt) })) };
  }

  /** From the beginning, behind what waits of its document by now. One that is just being sent is left to that. */
  async replay(tx: TenantTx, webhookId: string, id: string): Promise<void> {
    await tx.manager.query(
      `UPDATE webhook_deliveries SET status = 'pending', sequence = DEFAULT, failures = 0, due_at = now(), give_up_at = NULL, ended_at = NULL
        WHERE tenant_id = $1 AND webhook_id = $2 AND id = $3 AND (status <> 'pending' OR leased_until IS NULL OR leased_until <= now())`,
      [tx.tenantId, webhookId, id],
    );
    await tx.manager.query('SELECT pg_notify($1, $2)', [DELIVERY_CHANNEL, '']);
  }
}
