import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { Sealer } from '../common/sealer.js';
import { keepAnswer } from '../idempotency/claim.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import type { SigningSecretDto } from './dto/webhook.dto.js';
import { IngestWebhooksRepository } from './ingest-webhooks.repository.js';
import { minted, rotated, type Minted } from './signing/sealed-secrets.js';
import { translatingBrokenSeals } from './signing/unreadable-secrets.js';
import { BoundKeyCannotManageWebhooks } from './webhooks.errors.js';

/** The `webhook_url` of an ingest. It has no secret of its own, since whoever ingests only sends an address: the tenant has one for them all. */
@Injectable()
export class IngestWebhooks {
  constructor(
    private readonly transactions: Transactions,
    private readonly ingests: IngestWebhooksRepository,
    private readonly sealer: Sealer,
  ) {}

  /** In the transaction that enters the document. @param url as `WebhookUrls.requireStorable` answered it */
  async remember(tx: TenantTx, jobId: string, url: string): Promise<void> {
    if (!(await this.ingests.hasSecret(tx))) await this.ingests.insertSecretUnlessThere(tx, this.mint(tx.tenantId).sealed);
    await this.ingests.insert(tx, jobId, url);
  }

  /** Also the way to learn it for the first time. @throws BoundKeyCannotManageWebhooks, WebhookSecretUnreadable */
  rotateSecret({ tenantId, databaseIds }: Principal, graceSeconds: number): Promise<SigningSecretDto> {
    if (databaseIds !== null) throw new BoundKeyCannotManageWebhooks();
    return this.transactions.forTenant(tenantId, async (tx) => {
      const first = this.mint(tenantId);
      if (await this.ingests.insertSecretUnlessThere(tx, first.sealed)) return keepAnswer(tx, shownOf(first));
      const before = (await this.ingests.lockSecret(tx))!;
      const next = translatingBrokenSeals(() => rotated(this.sealer, `webhook_signing_secrets/${tenantId}`, before, graceSeconds));
      await this.ingests.updateSecret(tx, next.sealed);
      return keepAnswer(tx, shownOf(next));
    });
  }

  private mint(tenantId: string): Minted {
    return minted(this.sealer, `webhook_signing_secrets/${tenantId}`);
  }
}

const shownOf = ({ shown, sealed }: Minted): SigningSecretDto => ({ secret: shown, previous_secret_expires_at: sealed.previousSecretUntil });
