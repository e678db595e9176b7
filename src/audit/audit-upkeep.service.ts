import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { AuditChainRepository } from './audit-chain.repository.js';
import { INSTALLATION } from './audit-entry.js';

const AT_ONCE = 1000;
const NO_ID = INSTALLATION;

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

  /** Names, addresses and values go; that something was done, and by which id, stays and stays verifiable. @returns up to which entry */
  async forgetDetails(tenantId: string, signal: AbortSignal): Promise<string> {
    for (let behind = NO_ID; ; ) {
      signal.throwIfAborted();
      const last = await this.transactions.forSystem((tx) => this.chains.eraseDetails(tx, tenantId, behind, AT_ONCE));
      if (last === null) return behind;
      behind = last;
    }
  }

  /** The same for the few entries since, in the transaction with which the tenant is gone. */
  async forgetLastDetails(tx: SystemTx, tenantId: string, since: string): Promise<void> {
    for (let behind: string | null = since; behind !== null; behind = await this.chains.eraseDetails(tx, tenantId, behind, AT_ONCE));
  }

  private next(tenantId: string): Promise<string | null> {
    return this.transactions.forSystem((tx) => this.chains.nextTenant(tx, tenantId));
  }
}
