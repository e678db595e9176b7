import { Injectable, Optional } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { currentActor } from '../common/request-context.js';
import { inSpan } from '../tracing/tracing.js';
import { PoolMetrics } from './pool.metrics.js';
import { translatePostgresError } from './postgres-errors.js';
import { traceStatements } from './traced-statements.js';

declare const tenantBrand: unique symbol;
declare const systemBrand: unique symbol;

/** An open transaction that sees and changes one tenant's rows only. */
export interface TenantTx {
  readonly [tenantBrand]: true;
  readonly tenantId: string;
  readonly manager: EntityManager;
}

/** An open transaction that crosses tenants: signing in, administration, the worker's claims. */
export interface SystemTx {
  readonly [systemBrand]: true;
  readonly manager: EntityManager;
}

export type AnyTx = TenantTx | SystemTx;

const STATEMENT_TIMEOUT = '30s';
const IDLE_TIMEOUT = '15s';
const BEGIN_CONTEXT = `SELECT set_config('role', $1, true), set_config('app.tenant_id', $2, true), set_config('app.actor', $3, true),
  set_config('statement_timeout', '${STATEMENT_TIMEOUT}', true), set_config('idle_in_transaction_session_timeout', '${IDLE_TIMEOUT}', true)`;

/** For the triggers that say who changed a row; empty is the system itself. */
function actorSetting(): string {
  const actor = currentActor();
  return actor ? JSON.stringify(actor) : '';
}

/**
 * The only way to the database. Role and tenant are set for the transaction alone, so a pooled connection
 * (also one of PgBouncer in transaction mode) never carries them on to another request.
 */
@Injectable()
export class Transactions {
  constructor(
    private readonly dataSource: DataSource,
    /** Left out where nobody looks at the numbers. */
    @Optional() private readonly pool?: PoolMetrics,
  ) {}

  /** Runs `work` in one transaction under the tenant's row level security. No network call belongs inside. */
  forTenant<T>(tenantId: string, work: (tx: TenantTx) => Promise<T>): Promise<T> {
    return this.run('morag_app', tenantId, (manager) => work({ tenantId, manager } as TenantTx));
  }

  /** Runs `work` in one transaction that may touch every tenant. Each use is a deliberate exception. */
  forSystem<T>(work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.run('morag_system', '', (manager) => work({ manager } as SystemTx));
  }

  private run<T>(role: string, tenantId: string, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return inSpan('transaction', 'INTERNAL', { 'morag.role': role }, () => this.inTransaction(role, tenantId, work));
  }

  private async inTransaction<T>(role: string, tenantId: string, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    traceStatements(runner);
    try {
      await (this.pool ? this.pool.timeAcquisition(() => runner.connect()) : runner.connect());
      await runner.startTransaction();
      await runner.query(BEGIN_CONTEXT, [role, tenantId, actorSetting()]);
      const result = await work(runner.manager);
      await runner.commitTransaction();
      return result;
    } catch (error) {
      // A rollback over a broken connection fails too; the first error is the one that tells why.
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw translatePostgresError(error);
    } finally {
      await runner.release();
    }
  }
}
