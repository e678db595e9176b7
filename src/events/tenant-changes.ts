import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { ServiceUnavailable } from '../common/request-errors.js';
import { Transactions, type SystemTx, type TenantTx } from '../persistence/transactions.js';
import { LEASE_MS, Listener } from './listener.js';

/** Announced by triggers on the tables themselves, at commit; the payload is the tenant's id. */
const CHANGED_CHANNEL = 'morag_tenant_changed';
const FENCE_CHANNEL = 'morag_tenant_fence';
const FENCED_CHANNEL = 'morag_tenant_fenced';
/** For so long after a fence nothing of the tenant is remembered, in milliseconds: ample time for the change behind it to commit. */
export const HOLD_MS = 2000;
/** What is remembered lives no longer than this, in milliseconds, so older changes matter to nobody. */
export const LONGEST_MEMORY_MS = 5000;

/** A process may still act on what it heard a lease ago, so this much earlier than the hold the change has to be made. */
const COMMIT_WITHIN_MS = HOLD_MS - LEASE_MS - 250;
const MOST_ROUNDS = 4;

/** The change took longer than its fence stands. Nothing was changed. */
class FenceOutlived extends ServiceUnavailable {
  constructor() {
    super('database_unavailable', 'The database is too slow at this moment for a change that every process has to hear of. Nothing was changed; try again in a moment.', 1);
  }
}

interface Change {
  sequence: number;
  at: number;
  heldUntil: number;
}

/**
 * Tells what a process has remembered of a tenant from what it must look up again.
 *
 * Every change of a tenant reaches every process within milliseconds of its commit. Where that is not good enough, since one process
 * could still let in what another has refused already, the change is made behind a fence: all processes forget the tenant first, and
 * say so, and only then is the change committed. A process that does not answer has lost its lease by the time the fence gives up on it.
 */
@Injectable()
export class TenantChanges {
  private readonly logger = new Logger(TenantChanges.name);
  private sequence = 0;
  /** In the order of the last change. */
  private readonly recent = new Map<string, Change>();
  private readonly waiting = new Map<string, (processId: number) => void>();
  private readonly raising = new Map<string, Promise<number>>();
  private trustedFrom = Number.POSITIVE_INFINITY;
  /** What was read before it may have changed while nobody listened. */
  private heardSince = 0;

  constructor(
    private readonly listener: Listener,
    private readonly transactions: Transactions,
  ) {
    listener.onConnected(() => this.startAnew());
    listener.hear(CHANGED_CHANNEL, (tenantId) => {
      this.note(tenantId, 0);
      transactions.noteWrite(tenantId);
    });
    listener.hear(FENCE_CHANNEL, (payload) => this.hold(payload));
    listener.hear(FENCED_CHANNEL, (payload) => this.heardBack(payload));
  }

  /** A point in time to compare with; take it before reading what shall be remembered. */
  mark(): number {
    return this.sequence;
  }

  /** Whether what was read after `mark` is still true of the tenant, beyond doubt; `nowMs` is of `performance.now()`. */
  holdsSince(mark: number, tenantId: string, nowMs: number): boolean {
    if (nowMs < this.trustedFrom || mark < this.heardSince || !this.listener.isCurrent(nowMs)) return false;
    const change = this.recent.get(tenantId);
    return change === undefined || (change.sequence <= mark && change.heldUntil <= nowMs);
  }

  /** A transaction that takes a right away from somebody of the tenant, made behind a fence; `work` may run again. */
  behindFence<T>(tenantId: string, work: (tx: TenantTx) => Promise<T>): Promise<T> {
    return this.whileFenced(tenantId, work, (checked) => this.transactions.forTenant(tenantId, checked));
  }

  /** The same for a change that the installation makes to a tenant. */
  behindFenceAsSystem<T>(tenantId: string, work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.whileFenced(tenantId, work, (checked) => this.transactions.forSystem(checked));
  }

  private async whileFenced<Tx, T>(tenantId: string, work: (tx: Tx) => Promise<T>, transact: (work: (tx: Tx) => Promise<T>) => Promise<T>): Promise<T> {
    for (let round = 1; ; round++) {
      const raisedAt = await this.fence(tenantId);
      const checked = async (tx: Tx): Promise<T> => {
        const result = await work(tx);
        // It waited for a lock or a connection, and somebody may remember the tenant as it was by the time it commits.
        if (performance.now() - raisedAt > COMMIT_WITHIN_MS) throw new FenceOutlived();
        return result;
      };
      try {
        return await transact(checked);
      } catch (error) {
        if (!(error instanceof FenceOutlived) || round === MOST_ROUNDS) throw error;
      }
    }
  }

  /** Of several for one tenant at once, all stand behind one fence. Resolves with the time at which it was raised, of `performance.now()`. */
  private async fence(tenantId: string): Promise<number> {
    const raising = this.raising.get(tenantId) ?? this.raise(tenantId);
    this.raising.set(tenantId, raising);
    try {
      return await raising;
    } finally {
      this.raising.delete(tenantId);
    }
  }

  /** Resolves once no process acts on anything it remembered of the tenant, nor will for the next two seconds. */
  private async raise(tenantId: string): Promise<number> {
    const raisedAt = performance.now();
    const token = randomUUID();
    const answered = new Set<number>();
    let look = (): void => undefined;
    this.waiting.set(token, (processId) => {
      answered.add(processId);
      look();
    });
    try {
      await this.transactions.forSystem((tx) => tx.manager.query('SELECT pg_notify($1, $2)', [FENCE_CHANNEL, `${tenantId} ${token}`]));
      // Whoever has not answered by then cannot renew its lease, and looks everything up.
      const leasesEnded = delay(LEASE_MS + 50, undefined, { ref: false });
      const peers = await Promise.race([this.peers(), leasesEnded]);
      const allAnswered = new Promise<void>((resolve) => {
        look = () => peers?.every((peer) => answered.has(peer)) && resolve();
        look();
      });
      await Promise.race([allAnswered, leasesEnded]);
    } finally {
      this.waiting.delete(token);
    }
    return raisedAt;
  }

  /** Undefined when they cannot be told: a list on which this process itself is missing is none. */
  private async peers(): Promise<number[] | undefined> {
    try {
      const peers = await this.listener.peers();
      return peers.includes(this.listener.processId ?? 0) ? peers : undefined;
    } catch (error) {
      this.logger.debug({ err: error }, 'the other processes could not be counted; their leases have to run out');
      return undefined;
    }
  }

  /** Nothing from before this connection may be relied on, nor anything that a fence from before it was raised for. */
  private startAnew(): void {
    this.heardSince = ++this.sequence;
    this.recent.clear();
    this.trustedFrom = performance.now() + HOLD_MS;
  }

  private hold(payload: string): void {
    const [tenantId = '', token = ''] = payload.split(' ');
    this.note(tenantId, performance.now() + HOLD_MS);
    void this.answer(token);
  }

  private async answer(token: string): Promise<void> {
    try {
      await this.listener.announce(FENCED_CHANNEL, `${token} ${this.listener.processId}`);
    } catch (error) {
      this.logger.debug({ err: error }, 'a fence was not answered; the lease has to run out');
    }
  }

  private heardBack(payload: string): void {
    const [token = '', processId = ''] = payload.split(' ');
    this.waiting.get(token)?.(Number(processId));
  }

  private note(tenantId: string, heldUntil: number): void {
    const at = performance.now();
    this.sequence += 1;
    const before = this.recent.get(tenantId);
    this.recent.delete(tenantId);
    this.recent.set(tenantId, { sequence: this.sequence, at, heldUntil: Math.max(heldUntil, before?.heldUntil ?? 0) });
    for (const [id, change] of this.recent) {
      if (at - change.at < LONGEST_MEMORY_MS + HOLD_MS) break;
      this.recent.delete(id);
    }
  }
}
