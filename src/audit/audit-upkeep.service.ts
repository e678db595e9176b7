import { Injectable } from '@nestjs/common';
import { firstIdAt } from '../common/id-range.js';
import { Config } from '../config/config.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { AuditChainRepository } from './audit-chain.repository.js';
import { INSTALLATION } from './audit-entry.js';

const AT_ONCE = 1000;
const NO_ID = INSTALLATION;
/** By how much a commit may come after its entries were made, and clocks may differ, in milliseconds; ample. */
const RECENT_MS = 3_600_000;

/** Lets go of what the audit may not keep: what is older than the operator wants, and who the people of a purged tenant were. */
@Injectable()
export class AuditUpkeep {
  constructor(
    private readonly config: Config,
    private readonly transactions: Transactions,
    private readonly chains: AuditChainRepository,
  ) {}

  /** Some at a time, so that no transaction is long. */
  async removeOld(signal: AbortSignal): Promise<void> {
    const days = this.config.env.AUDIT_RETENTION_DAYS;
    for (let tenantId: string | null = INSTALLATION; tenantId !== null && !signal.aborted; tenantId = await this.next(tenantId)) {
      const of = tenantId;
      while (!signal.aborted && (await this.transactions.forSystem((tx) => this.chains.removeOld(tx, of, days, AT_ONCE))) === AT_ONCE);
    }
  }

  /** Names, addresses and values go; that something was done, and by which id, stays and stays verifiable. */
  async forgetDetails(tenantId: string, signal: AbortSignal): Promise<void> {
    for (let behind: string | null = NO_ID; behind !== null; ) {
      signal.throwIfAborted();
      const from: string = behind;
      behind = await this.transactions.forSystem((tx) => this.chains.eraseDetails(tx, tenantId, from, AT_ONCE));
    }
  }

  /** The same for the entries of the last hour, which may have come since, in the transaction with which the tenant is gone. */
  async forgetRecentDetails(tx: SystemTx, tenantId: string): Promise<void> {
    for (let behind: string | null = firstIdAt(Date.now() - RECENT_MS); behind !== null; behind = await this.chains.eraseDetails(tx, tenantId, behind, AT_ONCE));
  }

  private next(tenantId: string): Promise<string | null> {
    return this.transactions.forSystem((tx) => this.chains.nextTenant(tx, tenantId));
  }
}
