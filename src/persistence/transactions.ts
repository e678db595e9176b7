import { Injectable, Optional } from '@nestjs/common';
import { DataSource, type EntityManager, type QueryRunner } from 'typeorm';
import { currentActor } from '../common/request-context.js';
import { inSpan } from '../tracing/tracing.js';
import { noticeWrites } from './noticed-writes.js';
import { openTransaction, type Opening } from './opened-transactions.js';
import { PoolMetrics } from './pool.metrics.js';
import { Replica, ReplicaBehind, type Copy } from './replica.js';
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

const BEGIN_READING = `${BEGIN_CONTEXT}, set_config('transaction_read_only', 'on', true)`;
/** Asked of the very server that is to answer, since behind one address there may be several. */
const BEGIN_ON_REPLICA = `${BEGIN_READING}, pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= $4::pg_lsn AS shows_enough`;

interface Context {
  role: 'morag_app' | 'morag_system';
  /** Empty for the system. */
  tenantId: string;
  isReading: boolean;
}

/** The first three values of what begins a transaction. */
const contextOf = ({ role, tenantId }: Context): string[] => [role, tenantId, actorSetting()];

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
    /** Left out where there is none. */
    @Optional() private readonly replica?: Replica,
  ) {}

  /** Runs `work` in one transaction under the tenant's row level security. No network call belongs inside. */
  forTenant<T>(tenantId: string, work: (tx: TenantTx) => Promise<T>): Promise<T> {
    return this.run({ role: 'morag_app', tenantId, isReading: false }, (manager) => work({ tenantId, manager } as TenantTx));
  }

  /**
   * The same for lists and reports, in a transaction that can only read, and on the replica where there is one. It shows all that this process
   * has written for the tenant, and of what others have, everything but perhaps the last `DATABASE_REPLICA_MAX_LAG_MS`. `work` may run again, on
   * the primary.
   */
  async forTenantReading<T>(tenantId: string, work: (tx: TenantTx) => Promise<T>): Promise<T> {
    const context = { role: 'morag_app', tenantId, isReading: true } as const;
    const read = (manager: EntityManager): Promise<T> => work({ tenantId, manager } as TenantTx);
    const copy = this.replica?.choose(tenantId);
    if (!copy) return this.run(context, read);
    try {
      return await this.replica!.untilLost(this.run(context, read, copy));
    } catch (error) {
      if (!this.replica!.mayRepeat(error)) throw error;
    }
    return this.run(context, read);
  }

  /** Runs `work` in one transaction that may touch every tenant. Each use is a deliberate exception. */
  forSystem<T>(work: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.run({ role: 'morag_system', tenantId: '', isReading: false }, (manager) => work({ manager } as SystemTx));
  }

  /** Another process has written something of the tenant: what is read for it next shows that, too. */
  noteWrite(tenantId: string): void {
    this.replica?.noteWrite(tenantId);
  }

  private run<T>(context: Context, work: (manager: EntityManager) => Promise<T>, copy?: Copy): Promise<T> {
    return inSpan('transaction', 'INTERNAL', { 'morag.role': context.role }, () => (copy ? this.onReplica(context, work, copy) : this.onPrimary(context, work)));
  }

  private async onPrimary<T>(context: Context, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    const noticed = this.replica && context.tenantId !== '' && !context.isReading ? noticeWrites(runner) : undefined;
    try {
      const opening = { statement: context.isReading ? BEGIN_READING : BEGIN_CONTEXT, values: contextOf(context) };
      return await this.inTransaction(runner, this.pool, opening, () => work(runner.manager));
    } finally {
      if (noticed?.mayHaveWritten) this.noteWrite(context.tenantId);
    }
  }

  private onReplica<T>(context: Context, work: (manager: EntityManager) => Promise<T>, { source, position }: Copy): Promise<T> {
    const runner = source.createQueryRunner();
    const opening = { statement: BEGIN_ON_REPLICA, values: [...contextOf(context), position] };
    return this.inTransaction<T, { shows_enough: boolean | null }>(runner, undefined, opening, ([begun]) => {
      if (!begun?.shows_enough) throw new ReplicaBehind();
      return work(runner.manager);
    });
  }

  private async inTransaction<T, Row>(runner: QueryRunner, pool: PoolMetrics | undefined, opening: Opening, work: (opened: Row[]) => Promise<T>): Promise<T> {
    traceStatements(runner);
    try {
      await (pool ? pool.timeAcquisition(() => runner.connect()) : runner.connect());
      const opened = await openTransaction<Row>(runner, opening);
      const result = await work(opened);
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
