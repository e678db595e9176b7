import { AsyncLocalStorage } from 'node:async_hooks';
import type { TenantTx } from '../persistence/transactions.js';
import { IdempotencyKeyInFlight, IdempotencyKeyReused } from './idempotency.errors.js';
import type { IdempotencyKeysRepository, KeptAnswer, KeyHolder } from './idempotency-keys.repository.js';

/** How the answer of a route is kept. */
export interface Keeping {
  status: number;
  secrets: readonly string[];
}

/** The form that was received is the one that was answered before. Ends the handler; its interceptor answers. */
export class AnsweredBefore extends Error {
  override readonly name = 'AnsweredBefore';

  constructor(readonly answer: KeptAnswer) {
    super('this request was answered before');
  }
}

/** What a request knows of its Idempotency-Key. */
export class Claim {
  /** Whether the handler came to the end of its effect; whether that was committed only the database knows. */
  hasKept = false;
  private fingerprint: Buffer | null;

  constructor(
    private readonly keys: IdempotencyKeysRepository,
    readonly holder: KeyHolder,
    private readonly keeping: Keeping,
    private readonly request: { fingerprint: Buffer | null; fingerprintOfForm: (form: object) => Buffer },
    /** Of a request before this one: parts that are done, or the form and the answer. */
    private readonly before: { parts: ReadonlyMap<string, object>; answered: { fingerprint: Buffer; answer: KeptAnswer } | null },
  ) {
    this.fingerprint = request.fingerprint;
  }

  /** Whether the key has its answer already, of which only the form is still to be compared. */
  get isAnswered(): boolean {
    return this.before.answered !== null;
  }

  /** @throws AnsweredBefore, IdempotencyKeyReused */
  identify(form: object): void {
    this.fingerprint = this.request.fingerprintOfForm(form);
    const { answered } = this.before;
    if (!answered) return;
    if (!answered.fingerprint.equals(this.fingerprint)) throw new IdempotencyKeyReused();
    throw new AnsweredBefore(answered.answer);
  }

  done(part: string): object | undefined {
    return this.before.parts.get(part);
  }

  /** @throws IdempotencyKeyInFlight when another request has taken the key over, which undoes the transaction: two cannot have the effect */
  async keep(tx: TenantTx, answer: object): Promise<void> {
    if (!this.fingerprint) throw new Error('an effect before it was known what was asked for');
    const body = Object.fromEntries(Object.entries(answer).filter(([name]) => !this.keeping.secrets.includes(name)));
    if (!(await this.keys.answer(tx, this.holder, this.fingerprint, { status: this.keeping.status, body }))) throw new IdempotencyKeyInFlight();
    this.hasKept = true;
  }

  /** @throws IdempotencyKeyInFlight as above */
  async keepPart(tx: TenantTx, part: string, answer: object): Promise<void> {
    if (!(await this.keys.answerPart(tx, this.holder, part, answer))) throw new IdempotencyKeyInFlight();
  }

  /** @throws IdempotencyKeyInFlight as above: what another has gone on from must not be undone */
  async forget(tx: TenantTx, part: string): Promise<void> {
    if (!(await this.keys.forgetPart(tx, this.holder, part))) throw new IdempotencyKeyInFlight();
  }
}

/** Not a slot on the request: the parts of one run beside each other, each under its own name. */
const held = new AsyncLocalStorage<{ claim: Claim; part: string | null }>();

/** What `work` awaits keeps its answer under the claim. */
export const underClaim = <T>(claim: Claim, work: () => T): T => held.run({ claim, part: null }, work);

/**
 * To be called in the transaction of the effect, with what the request is answered. A retry gets the same, and either both are committed or
 * neither. Does nothing for a request without Idempotency-Key.
 * @throws IdempotencyKeyInFlight
 */
export async function keepAnswer<T extends object>(tx: TenantTx, answer: T): Promise<T> {
  const slot = held.getStore();
  if (slot?.part) await slot.claim.keepPart(tx, slot.part, answer);
  else await slot?.claim.keep(tx, answer);
  return answer;
}

/**
 * One of several transactions of a request. What `work` keeps belongs to the part, and a retry after a crash, or after an error, is given that
 * and does not do the part again.
 * @param part unique within the request, and the same in a retry
 */
export async function asPart<T>(part: string, work: () => Promise<T>): Promise<T> {
  const claim = held.getStore()?.claim;
  if (!claim) return work();
  // It was JSON in between: no part may answer with more than that.
  return (claim.done(part) as T | undefined) ?? held.run({ claim, part }, work);
}

/** In the transaction that undoes a part. @throws IdempotencyKeyInFlight */
export async function forgetPart(tx: TenantTx, part: string): Promise<void> {
  await held.getStore()?.claim.forget(tx, part);
}

/** For whoever has received a form: what makes it that form. @throws AnsweredBefore when there is nothing left to do; IdempotencyKeyReused */
export function identifyForm(form: object): void {
  held.getStore()?.claim.identify(form);
}

/** Whether the request can have no effect any more, and so must not be refused for want of room. */
export const isAnswered = (): boolean => held.getStore()?.claim.isAnswered ?? false;
