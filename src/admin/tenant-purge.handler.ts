import { Injectable } from '@nestjs/common';
import type { TaskHandler } from '../jobs/job-handler.js';
import { JobsRemoval } from '../jobs/jobs-removal.service.js';
import { BackupRuns, backupRuns } from '../persistence/backup-lock.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { TenantRemoval } from '../tenancy/tenant-removal.service.js';
import { UserAdministration } from '../users/user-administration.service.js';
import { TenantRows } from './tenant-rows.service.js';
import { TenantStores } from './tenant-stores.service.js';

/** Then the task ends and comes again later, so that others get their turn. */
const LONGEST_WAIT_MS = 30_000;

class WorkStillGoesOn extends Error {
  override readonly name = 'WorkStillGoesOn';
}

/**
 * Removes everything of a tenant, in an order in which nothing can come back: first the rows, with which what still arrives has nothing
 * to refer to (a document needs its database, a job its document); then, when no worker is at it any more, vectors and files; and at the
 * very end, once its audit names nobody any more, in one transaction the tenant's own row and the entry of this task. Killed anywhere before
 * that, it begins anew and finds less.
 */
@Injectable()
export class TenantPurgeHandler implements TaskHandler {
  readonly name = 'purge-tenant';

  constructor(
    private readonly transactions: Transactions,
    private readonly tenants: TenantRemoval,
    private readonly people: UserAdministration,
    private readonly jobs: JobsRemoval,
    private readonly rows: TenantRows,
    private readonly stores: TenantStores,
  ) {}

  async run(data: Record<string, string>, signal: AbortSignal): Promise<void> {
    const { tenantId } = data as { tenantId: string };
    if (!(await this.transactions.forSystem((tx) => this.mayBegin(tx, tenantId)))) return;
    await this.jobs.removeIdle(tenantId);
    await this.rows.remove(tenantId, signal);
    // It has lost its job with the job's row, and takes back by itself what it stores meanwhile.
    if (!(await this.jobs.workHasEnded(tenantId, this, LONGEST_WAIT_MS, signal))) throw new WorkStillGoesOn(`a worker is still at work for the tenant ${tenantId}`);
    await this.stores.clear(tenantId);
    // Once more, for what requests that had been let in before still wrote.
    await this.rows.remove(tenantId, signal);
    await this.jobs.removeIdle(tenantId);
    await this.rows.makeNameless(tenantId, signal);
    await this.transactions.forSystem(async (tx) => {
      await this.rows.makeRestNameless(tx, tenantId);
      await this.people.forgetAll(tx, tenantId);
      await this.tenants.finish(tx, tenantId);
      await this.jobs.removeAll(tx, tenantId);
    });
  }

  /** @throws BackupRuns: a backup from before the request still has the whole tenant */
  private async mayBegin(tx: SystemTx, tenantId: string): Promise<boolean> {
    if (!(await this.tenants.isRequested(tx, tenantId))) return false;
    if (await backupRuns(tx)) throw new BackupRuns();
    return true;
  }
}
