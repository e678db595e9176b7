import { Injectable, Logger } from '@nestjs/common';
import { firstIdAt } from '../common/id-range.js';
import { Config } from '../config/config.js';
import { Months } from '../persistence/months.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { AuditChainRepository } from './audit-chain.repository.js';
import { INSTALLATION } from './audit-entry.js';

const AT_ONCE = 1000;
/** Links stand in the order of commits: by so much a month reaches into the next. */
const SPARE_DAYS = 1;
const NO_ID = INSTALLATION;
/** By how much a commit may come after its entries were made, and clocks may differ, in milliseconds; ample. */
const RECENT_MS = 3_600_000;

/** Lets go of what the audit may not keep: what is older than the operator wants, and who the people of a purged tenant were. */
@Injectable()
export class AuditUpkeep {
  private readonly logger = new Logger(AuditUpkeep.name);

  constructor(
    private readonly config: Config,
    private readonly transactions: Transactions,
    private readonly chains: AuditChainRepository,
    private readonly months: Months,
  ) {}

  /** Whole months, from the oldest on. One that is not whole stays, and all after it, until somebody has looked at it. */
  async removeOld(signal: AbortSignal): Promise<void> {
    const days = this.config.env.AUDIT_RETENTION_DAYS;
    for (const month of await this.months.listOver('audit_entries', days + SPARE_DAYS)) {
      if (signal.aborted) return;
      const objection = await this.months.withoutBackup((tx) => this.chains.dropMonth(tx, month, days));
      if (objection === null) continue;
      this.logger.warn({ month, objection }, 'a month of the audit is old and is kept, because it is not whole: npm run audit:verify tells what was done to it');
      return;
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
}
