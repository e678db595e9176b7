import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { runtimeOptions } from '../../src/persistence/data-source.js';
import { DatabaseUnavailable } from '../../src/persistence/postgres-errors.js';
import { Transactions } from '../../src/persistence/transactions.js';
import { TestDatabase } from '../support/test-database.js';

const POOL = 5;
const TENANTS = Array.from({ length: 6 }, () => randomUUID());

class Thrown extends Error {}

describe('transactions', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let transactions: Transactions;

  beforeAll(async () => {
    database = await TestDatabase.create();
    dataSource = await new DataSource(runtimeOptions(database.url, POOL)).initialize();
    transactions = new Transactions(dataSource);
    await transactions.forSystem(async ({ manager }) => {
      for (const id of TENANTS) await manager.query('INSERT INTO tenants (id) VALUES ($1)', [id]);
    });
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  /** Of this pool, as the server counts them. */
  const connections = async (): Promise<{ all: number; busy: number }> => {
    const [row] = await database.query<{ all: number; busy: number }>(
      `SELECT count(*)::int AS all, (count(*) FILTER (WHERE state <> 'idle'))::int AS busy FROM pg_stat_activity WHERE datname = $1 AND application_name = 'morag'`,
      [database.name],
    );
    return row!;
  };

  const within = async (work: Promise<unknown>): Promise<number> => {
    const startedAt = performance.now();
    await work;
    return performance.now() - startedAt;
  };

  /** Again where it got no connection within five seconds, on a busy machine: then nothing of it has begun. */
  async function untilBegun<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof DatabaseUnavailable)) throw error;
      }
    }
  }

  it('shows 300 mixed tenants on a pool of five nobody else’s rows, also when one in five throws', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 300 }, (_, at) => {
        const tenantId = TENANTS[at % TENANTS.length]!;
        return untilBegun(() => transactions.forTenant(tenantId, async ({ manager }) => {
          const [seen] = await manager.query<{ ids: string[]; tenant: string; role: string }[]>(
            `SELECT array_agg(id) AS ids, current_setting('app.tenant_id') AS tenant, current_user AS role FROM tenants`,
          );
          // In SQL and in JavaScript by turns: the one ends the transaction on the server, the other does not.
          if (at % 10 === 0) throw new Thrown();
          if (at % 10 === 5) await manager.query('SELECT 1 / 0');
          await manager.query(`UPDATE tenants SET metadata = metadata || jsonb_build_object($1::text, true)`, [String(at)]);
          return { tenantId, seen };
        }));
      }),
    );
    const done = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(done).toHaveLength(240);
    for (const { tenantId, seen } of done) expect(seen).toEqual({ ids: [tenantId], tenant: tenantId, role: 'morag_app' });
    const failed = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []));
    expect(failed.filter((error) => error instanceof Thrown)).toHaveLength(30);
    expect(failed.filter((error) => /division by zero/.test(error.message))).toHaveLength(30);

    const marks = await database.query<{ id: string; marks: number[] }>(`SELECT id, ARRAY(SELECT jsonb_object_keys(metadata)::int) AS marks FROM tenants`);
    for (const row of marks) expect(row.marks.every((at) => TENANTS[at % TENANTS.length] === row.id && at % 5 !== 0)).toBe(true);
    expect(marks.flatMap((row) => row.marks)).toHaveLength(240);
    const { all, busy } = await connections();
    expect(all).toBeLessThanOrEqual(POOL);
    expect(busy).toBe(0);
  });

  it('lends nothing to a query outside a transaction, whatever its connection did before', async () => {
    const outside = await Promise.allSettled(Array.from({ length: POOL }, () => dataSource.query('SELECT * FROM tenants')));
    for (const outcome of outside) expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'permission denied for table tenants' } });
  });

  it('answers an exhausted pool with 503 within about five seconds, and works again at once', async () => {
    const gate = Promise.withResolvers<void>();
    const holding = Array.from({ length: POOL }, () => transactions.forTenant(TENANTS[0]!, () => gate.promise));
    const refused: unknown[] = [];
    const waited = await within(Promise.all(Array.from({ length: 20 }, () => transactions.forTenant(TENANTS[1]!, async () => undefined).catch((error: unknown) => refused.push(error)))));
    gate.resolve();
    await Promise.all(holding);
    expect(refused).toHaveLength(20);
    for (const error of refused) {
      expect(error).toBeInstanceOf(DatabaseUnavailable);
      expect(error).toMatchObject({ status: 503, code: 'database_unavailable', retryable: true, headers: { 'Retry-After': '1' } });
    }
    expect(waited).toBeGreaterThan(4000);
    expect(waited).toBeLessThan(6500);
    expect(await within(transactions.forTenant(TENANTS[1]!, async () => undefined))).toBeLessThan(1000);
  });

  it('heals after the server cut every connection', async () => {
    await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'morag'`, [database.name]);
    const first = await Promise.allSettled(Array.from({ length: POOL }, () => transactions.forTenant(TENANTS[2]!, ({ manager }) => manager.query('SELECT 1'))));
    for (const outcome of first) if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(DatabaseUnavailable);
    expect(await transactions.forTenant(TENANTS[2]!, ({ manager }) => manager.query('SELECT id FROM tenants'))).toEqual([{ id: TENANTS[2] }]);
    expect((await connections()).busy).toBe(0);
  });

  it('tells a transaction whose connection dies in the middle that the database is away', async () => {
    const dying = transactions.forTenant(TENANTS[3]!, async ({ manager }) => {
      const [row] = await manager.query<{ pid: number }[]>('SELECT pg_backend_pid() AS pid');
      await database.query('SELECT pg_terminate_backend($1)', [row!.pid]);
      await manager.query('SELECT 1');
    });
    await expect(dying).rejects.toBeInstanceOf(DatabaseUnavailable);
    expect(await transactions.forTenant(TENANTS[3]!, ({ manager }) => manager.query('SELECT id FROM tenants'))).toEqual([{ id: TENANTS[3] }]);
  });
});
