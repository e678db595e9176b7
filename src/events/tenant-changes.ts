import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Transactions, type TenantTx } from '../persistence/transactions.js';
import { LEASE_MS, Listener } from './listener.js';

/** Announced by triggers on the tables themselves, at commit; the payload is the tenant's id. */
const CHANGED_CHANNEL = 'morag_tenant_changed';
const FENCE_CHANNEL = 'morag_tenant_fence';
const FENCED_CHANNEL = 'morag_tenant_fenced';
/** For so long after a fence nothing of the tenant is remembered, in milliseconds: ample time for the change behind it to commit. */
export const HOLD_MS = 2000;
/** What is remembered lives no longer than this, in milliseconds, so older changes matter to nobody. */
export const LONGEST_MEMORY_MS = 5000;

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
  private trustedFrom = Number.POSITIVE_INFINITY;

  constructor(
    private readonly listener: Listener,
    private readonly transactions: Transactions,
  ) {
    listener.onConnected(() => this.startAnew());
    listener.hear(CHANGED_CHANNEL, (tenantId) => this.note(tenantId, 0));
    listener.hear(FENCE_CHANNEL, (payload) => this.hold(payload));
    listener.hear(FENCED_CHANNEL, (payload) => this.heardBack(payload));
  }

  /** A point in time to compare with; take it before reading what shall be remembered. */
  mark(): number {
    return this.sequence;
  }

  /** Whether what was read after `mark` is still true of the tenant, beyond doubt; `nowMs` is of `performance.now()`. */
  holdsSince(mark: number, tenantId: string, nowMs: number): boolean {
    if (nowMs < this.trustedFrom || !this.listener.isCurrent(nowMs)) return false;
    const change = this.recent.get(tenantId);
    return change === undefined || (change.sequence <= mark && change.heldUntil <= nowMs);
  }

  /**
   * Resolves once no process acts on anything it remembered of the tenant, nor will for the next two seconds. Call it before the
   * transaction that takes a right away: from its commit on, every process looks up and refuses.
   */
  async fence(tenantId: string): Promise<void> {
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
      if (!peers) return await leasesEnded;
      const allAnswered = new Promise<void>((resolve) => {
        look = () => peers.every((peer) => answered.has(peer)) && resolve();
        look();
      });
      await Promise.race([allAnswered, leasesEnded]);
    } finally {
      this.waiting.delete(token);
    }
  }

  /** A transaction that takes a right away from somebody of the tenant, made behind a fence. */
  async behindFence<T>(tenantId: string, work: (tx: TenantTx) => Promise<T>): Promise<T> {
    await this.fence(tenantId);
    return this.transactions.forTenant(tenantId, work);
  }

  private async peers(): Promise<number[] | undefined> {
    try {
      return await this.listener.peers();
    } catch (error) {
      this.logger.debug({ err: error }, 'the other processes could not be counted; their leases have to run out');
      return undefined;
    }
  }

  /** Nothing from before this connection may be relied on, nor anything that a fence from before it was raised for. */
  private startAnew(): void {
    this.sequence += 1;
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
