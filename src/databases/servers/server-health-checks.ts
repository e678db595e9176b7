import { Injectable, Logger } from '@nestjs/common';
import pLimit from 'p-limit';
import type { ScheduledTask } from '../../jobs/job-handler.js';
import { JobRegistry } from '../../jobs/job-registry.js';
import { DatabaseUnavailable } from '../../persistence/postgres-errors.js';
import { Transactions } from '../../persistence/transactions.js';
import { DatabaseServersRepository } from './database-servers.repository.js';
import { ServerTests } from './server-tests.service.js';

/** Less than the minute between two runs: what was looked at in the first half of one is due in the next. */
const DUE_AFTER_SECONDS = 30;
/** Begins none after that, so that a run is over before the next one. */
const RUN_MS = 45_000;
const MOST_AT_ONCE = 16;
/** Servers that do not answer take five seconds each, and a tenant's own must not hold up those of others. */
const MOST_OF_A_TENANT_AT_ONCE = 4;
const MOST_IN_A_RUN = 2000;

/** Looks every minute whether tenants' vector database servers still answer. */
@Injectable()
export class ServerHealthChecks implements ScheduledTask {
  readonly name = 'check-database-servers';
  readonly cron = '* * * * *';
  private readonly logger = new Logger(ServerHealthChecks.name);

  constructor(
    private readonly transactions: Transactions,
    private readonly servers: DatabaseServersRepository,
    private readonly tests: ServerTests,
    registry: JobRegistry,
  ) {
    registry.registerSchedule(this);
  }

  /**
   * Those that were not looked at for the longest time come first, also in the next run when there are too many for one.
   * @throws DatabaseUnavailable, once for all of them
   */
  async run(signal: AbortSignal): Promise<void> {
    const end = Date.now() + RUN_MS;
    const away = new AbortController();
    const due = await this.transactions.forSystem((tx) => this.servers.listDue(tx, DUE_AFTER_SECONDS, MOST_IN_A_RUN));
    const hand = pLimit(MOST_AT_ONCE);
    const handOf = new Map([...new Set(due.map(({ tenantId }) => tenantId))].map((tenantId) => [tenantId, pLimit(MOST_OF_A_TENANT_AT_ONCE)]));
    const isOver = (): boolean => signal.aborted || away.signal.aborted || Date.now() > end;
    await Promise.all(due.map(({ tenantId, id }) => handOf.get(tenantId)!(() => hand(() => (isOver() ? undefined : this.check(tenantId, id, away))))));
    away.signal.throwIfAborted();
  }

  /** One that cannot be checked keeps nobody from checking the others, unless our own database is away. */
  private async check(tenantId: string, id: string, away: AbortController): Promise<void> {
    try {
      const server = await this.transactions.forTenant(tenantId, (tx) => this.servers.findById(tx, id));
      if (server?.isActive) await this.tests.check(server);
    } catch (error) {
      if (error instanceof DatabaseUnavailable) away.abort(error);
      else this.logger.error({ err: error, server_id: id }, 'A database server could not be checked');
    }
  }
}
