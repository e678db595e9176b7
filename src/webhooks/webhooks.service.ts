import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Cursors, pageOf, type PageQueryDto } from '../common/pagination.js';
import type { Principal } from '../common/principal.js';
import { Sealer } from '../common/sealer.js';
import { keepAnswer } from '../idempotency/claim.js';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { WebhookDto, type CreateWebhookDto, type UpdateWebhookDto, type WebhookListDto, type WebhookWithSecretDto } from './dto/webhook.dto.js';
import { minted, rotated } from './signing/sealed-secrets.js';
import { translatingBrokenSeals } from './signing/unreadable-secrets.js';
import type { WebhookEntity } from './webhook.entity.js';
import { WebhookUrls } from './webhook-urls.js';
import { BoundKeyCannotManageWebhooks, TooManyWebhooks, WebhookNotFound, WebhooksSwitchedOff } from './webhooks.errors.js';
import { WebhooksRepository } from './webhooks.repository.js';

const MAX_WEBHOOKS = 20;

/** The endpoints of a tenant. They tell of everything it has: for a key that is bound to databases there are none. */
@Injectable()
export class WebhooksService {
  constructor(
    private readonly transactions: Transactions,
    private readonly webhooks: WebhooksRepository,
    private readonly urls: WebhookUrls,
    private readonly sealer: Sealer,
    private readonly cursors: Cursors,
  ) {}

  /** @throws UrlNotAllowed, TooManyWebhooks, BoundKeyCannotManageWebhooks */
  async create(principal: Principal, { url, events, description = null, is_active: isActive }: CreateWebhookDto): Promise<WebhookWithSecretDto> {
    if (principal.databaseIds !== null) throw new BoundKeyCannotManageWebhooks();
    const checked = await this.urls.requireStorable(url);
    const id = uuidv7();
    const { shown, sealed } = minted(this.sealer, `webhooks/${id}`);
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      if ((await this.webhooks.lockNumber(tx)) >= MAX_WEBHOOKS) throw new TooManyWebhooks(MAX_WEBHOOKS);
      await this.webhooks.insert(tx, { id, url: checked, events, description, isActive, secret: sealed.secret });
      return keepAnswer(tx, { webhook: WebhookDto.from(await this.require(tx, principal, id)), secret: shown });
    });
  }

  async list(principal: Principal, query: PageQueryDto): Promise<WebhookListDto> {
    const scope = `webhooks ${principal.tenantId}`;
    const before = this.cursors.decode(query.cursor, scope);
    const isBound = principal.databaseIds !== null;
    const rows = isBound ? [] : await this.transactions.forTenantReading(principal.tenantId, (tx) => this.webhooks.listNewestFirst(tx, { limit: query.limit + 1, before }));
    const page = pageOf(rows, query.limit);
    return { webhooks: page.rows.map((row) => WebhookDto.from(row)), ...this.cursors.pageInfo(page, query.limit, scope) };
  }

  get(principal: Principal, id: string): Promise<WebhookDto> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => WebhookDto.from(await this.require(tx, principal, id)));
  }

  /** @throws WebhookNotFound, UrlNotAllowed */
  async update(principal: Principal, id: string, { url, events, description, is_active: isActive }: UpdateWebhookDto): Promise<WebhookDto> {
    // Before the address is looked up, which takes time and tells something.
    await this.transactions.forTenant(principal.tenantId, (tx) => this.require(tx, principal, id));
    const checked = url === undefined ? undefined : await this.urls.requireStorable(url);
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const before = await this.lock(tx, principal, id);
      const isSwitchedOn = isActive === true && !before.isActive;
      await this.webhooks.update(tx, id, { url: checked, events, description, isActive, ...(isSwitchedOn ? { disabledReason: null, failingSince: null } : {}) });
      return WebhookDto.from(await this.require(tx, principal, id));
    });
  }

  /** Nothing more is sent to it, but what is under way. @throws WebhookNotFound */
  remove(principal: Principal, id: string): Promise<void> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      await this.require(tx, principal, id);
      if (!(await this.webhooks.remove(tx, id))) throw new WebhookNotFound();
    });
  }

  /** @throws WebhookNotFound, WebhookSecretUnreadable */
  rotateSecret(principal: Principal, id: string, graceSeconds: number): Promise<WebhookWithSecretDto> {
    return this.transactions.forTenant(principal.tenantId, async (tx) => {
      const before = await this.lock(tx, principal, id);
      const { shown, sealed } = translatingBrokenSeals(() => rotated(this.sealer, `webhooks/${id}`, before, graceSeconds));
      await this.webhooks.update(tx, id, sealed);
      return keepAnswer(tx, { webhook: WebhookDto.from(await this.require(tx, principal, id)), secret: shown });
    });
  }

  /** @throws WebhookNotFound */
  async require(tx: TenantTx, principal: Principal, id: string): Promise<WebhookEntity> {
    return found(principal, await this.webhooks.findById(tx, id));
  }

  /** Whether the tenant lets anything be sent at all. @throws WebhooksSwitchedOff */
  async requireSwitchedOn(tx: TenantTx): Promise<void> {
    if (!(await this.webhooks.areSwitchedOn(tx))) throw new WebhooksSwitchedOff();
  }

  private async lock(tx: TenantTx, principal: Principal, id: string): Promise<WebhookEntity> {
    return found(principal, await this.webhooks.lockById(tx, id));
  }
}

function found({ databaseIds }: Principal, webhook: WebhookEntity | null): WebhookEntity {
  if (!webhook || databaseIds !== null) throw new WebhookNotFound();
  return webhook;
}
