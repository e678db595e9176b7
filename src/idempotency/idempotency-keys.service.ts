import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { Claim, type Keeping } from './claim.js';
import { fingerprintOf, type RequestFacts } from './fingerprint.js';
import { IdempotencyKeyInFlight, IdempotencyKeyReused } from './idempotency.errors.js';
import { IdempotencyKeysRepository, type KeptAnswer, type KeyHolder, type KnownKey } from './idempotency-keys.repository.js';

const REMOVED_AT_ONCE = 1000;

/** A request as far as it was received: of a form the body is not there yet. */
export type KeyedRequest = Omit<RequestFacts, 'body'> & { tenantId: string; key: string; body: { of: 'json'; value: unknown } | { of: 'form' } };

/** Who has which Idempotency-Key, and what was answered under it. */
@Injectable()
export class IdempotencyKeys {
  constructor(
    private readonly transactions: Transactions,
    private readonly keys: IdempotencyKeysRepository,
  ) {}

  /**
   * The key for this request alone, or the answer that it has already.
   * @throws IdempotencyKeyInFlight, IdempotencyKeyReused
   */
  async claim({ tenantId, key, body, ...facts }: KeyedRequest, keeping: Keeping): Promise<Claim | KeptAnswer> {
    const holder = { route: `${facts.method} ${facts.route}`, key, token: uuidv7() };
    const fingerprint = body.of === 'json' ? fingerprintOf({ ...facts, body: body.value }) : null;
    const request = { fingerprint, fingerprintOfForm: (form: object) => fingerprintOf({ ...facts, body: form }) };
    const found = await this.transactions.forTenant(tenantId, (tx) => this.reserve(tx, holder, fingerprint));
    if ('parts' in found) return new Claim(this.keys, holder, keeping, request, { parts: found.parts, answered: null });
    if (fingerprint && found.fingerprint && !fingerprint.equals(found.fingerprint)) throw new IdempotencyKeyReused();
    if (!found.answer || !found.fingerprint) throw new IdempotencyKeyInFlight();
    if (fingerprint) return found.answer;
    return new Claim(this.keys, holder, keeping, request, { parts: new Map(), answered: { fingerprint: found.fingerprint, answer: found.answer } });
  }

  renew(tenantId: string, holder: KeyHolder): Promise<void> {
    return this.transactions.forTenant(tenantId, (tx) => this.keys.renew(tx, holder));
  }

  /** Of a request that failed. What it has committed stays. */
  release(tenantId: string, holder: KeyHolder): Promise<void> {
    return this.transactions.forTenant(tenantId, (tx) => this.keys.release(tx, holder));
  }

  /** Removes what is older than a day. */
  async removeOld(signal: AbortSignal): Promise<void> {
    // Some at a time, so that no transaction is long.
    while (!signal.aborted && (await this.transactions.forSystem((tx) => this.keys.removeOld(tx, REMOVED_AT_ONCE))) === REMOVED_AT_ONCE);
  }

  private async reserve(tx: TenantTx, holder: KeyHolder, fingerprint: Buffer | null): Promise<{ parts: Map<string, object> } | KnownKey> {
    for (;;) {
      const reserved = await this.keys.reserve(tx, holder, fingerprint);
      if (reserved) return { parts: new Map(reserved.isTakenOver ? (await this.keys.listParts(tx, holder)).map(({ part, body }) => [part, body]) : []) };
      const known = await this.keys.find(tx, holder);
      if (known && !known.isOver) return known;
      // Else its request has given it back meanwhile.
      if (known) await this.keys.removeIfOver(tx, holder);
    }
  }
}
