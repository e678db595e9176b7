import { Injectable } from '@nestjs/common';
import { AuditUpkeep } from '../audit/audit-upkeep.service.js';
import { Transactions, type SystemTx } from '../persistence/transactions.js';
import { TenantRowsRepository } from './tenant-rows.repository.js';

const ROWS_PER_TRANSACTION = 500;
/** Few rows, which go with the tenant's own: by them the collections are found, and the address of a person stays taken until the end. */
const REMOVED_LAST = ['users', 'tenant_quotas', 'database_servers'];
/** What was done to a tenant, its purge included, is told after it; who did it is no more than an id then. */
const OUTLIVES_TENANT = ['audit_entries', 'audit_links', 'audit_heads', 'audit_checkpoints'];
const KEPT = new Set([...REMOVED_LAST, ...OUTLIVES_TENANT]);

/** The rows of a tenant, removed as the tenant itself: row level security does not let the removal reach any other's. */
@Injectable()
export class TenantRows {
  constructor(
    private readonly transactions: Transactions,
    private readonly rows: TenantRowsRepository,
    private readonly audit: AuditUpkeep,
  ) {}

  /** In short transactions, each table after those that refer to it. */
  async remove(tenantId: string, signal: AbortSignal): Promise<void> {
    const tables = inOrderOfRemoval(await this.transactions.forTenant(tenantId, (tx) => this.rows.listTables(tx)));
    for (const table of tables) if (!KEPT.has(table)) await this.empty(tenantId, table, signal);
  }

  /** What outlives the tenant, without names and addresses. */
  makeNameless(tenantId: string, signal: AbortSignal): Promise<void> {
    return this.audit.forgetDetails(tenantId, signal);
  }

  /** And what was recorded since, in the transaction of the end. */
  makeRestNameless(tx: SystemTx, tenantId: string): Promise<void> {
    return this.audit.forgetRecentDetails(tx, tenantId);
  }

  private async empty(tenantId: string, table: string, signal: AbortSignal): Promise<void> {
    let removed = ROWS_PER_TRANSACTION;
    while (removed >= ROWS_PER_TRANSACTION) {
      signal.throwIfAborted();
      removed = await this.transactions.forTenant(tenantId, (tx) => this.rows.removeSome(tx, table, ROWS_PER_TRANSACTION));
    }
  }
}

/** Whoever refers comes before what it refers to. */
export function inOrderOfRemoval(references: readonly { table: string; refersTo: string | null }[]): string[] {
  const remaining = new Set(references.map(({ table }) => table));
  const ordered: string[] = [];
  while (remaining.size > 0) {
    const free = [...remaining].filter((table) => !references.some((reference) => reference.refersTo === table && remaining.has(reference.table)));
    if (free.length === 0) throw new Error(`the tables ${[...remaining].join(', ')} refer to each other in a circle`);
    for (const table of free) {
      remaining.delete(table);
      ordered.push(table);
    }
  }
  return ordered;
}
