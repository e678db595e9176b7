import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import type { SealedSecrets } from './signing/sealed-secrets.js';

const COLUMNS = `secret, previous_secret AS "previousSecret", previous_secret_until AS "previousSecretUntil"`;

@Injectable()
export class IngestWebhooksRepository {
  async hasSecret(tx: TenantTx): Promise<boolean> {
    return (await tx.manager.query<unknown[]>('SELECT FROM webhook_signing_secrets WHERE tenant_id = $1', [tx.tenantId])).length === 1;
  }

  /** The one of two at once that comes first. */
  async insertSecretUnlessThere(tx: TenantTx, { secret }: SealedSecrets): Promise<boolean> {
    const rows = await tx.manager.query<unknown[]>('INSERT INTO webhook_signing_secrets (tenant_id, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING tenant_id', [tx.tenantId, secret]);
    return rows.length === 1;
  }

  async lockSecret(tx: TenantTx): Promise<SealedSecrets | null> {
    const rows = await tx.manager.query<SealedSecrets[]>(`SELECT ${COLUMNS} FROM webhook_signing_secrets WHERE tenant_id = $1 FOR UPDATE`, [tx.tenantId]);
    return rows[0] ?? null;
  }

  async updateSecret(tx: TenantTx, { secret, previousSecret, previousSecretUntil }: SealedSecrets): Promise<void> {
    await tx.manager.query('UPDATE webhook_signing_secrets SET secret = $2, previous_secret = $3, previous_secret_until = $4 WHERE tenant_id = $1', [
      tx.tenantId,
      secret,
      previousSecret,
      previousSecretUntil,
    ]);
  }

  async insert(tx: TenantTx, jobId: string, url: string): Promise<void> {
    await tx.manager.query('INSERT INTO ingest_webhooks (tenant_id, job_id, url) VALUES ($1, $2, $3)', [tx.tenantId, jobId, url]);
  }
}
