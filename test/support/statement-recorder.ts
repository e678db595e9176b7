import { DataSource, type Logger, type QueryRunner } from 'typeorm';
import type { TestApp } from './test-app.js';

/** A statement as the server sent it, and under whose rights. */
export interface Recorded {
  sql: string;
  values: unknown[];
  role: string;
  tenantId: string;
}

/** The flush of usage, the look for leases that ran out, and the looks after those that are held and at what is watched. */
export const BY_THE_CLOCK = /usage_flushes|jsonb_to_recordset\(\$1::jsonb\) AS n|lease_expires_at <= now\(\) LIMIT|unnest\(\$1::uuid\[\], \$2::uuid\[\], \$3::int\[\]\)|setval\(/;
const FRAME = /^(?:START TRANSACTION|BEGIN|COMMIT|ROLLBACK|SAVEPOINT)/;

/** Listens to every statement that the server in this process sends through its pool, and remembers those of what it is asked to watch. */
export class StatementRecorder implements Logger {
  private readonly contexts = new WeakMap<QueryRunner, Pick<Recorded, 'role' | 'tenantId'>>();
  private recorded: Recorded[] = [];

  private constructor() {}

  static listenTo(server: TestApp): StatementRecorder {
    const recorder = new StatementRecorder();
    server.app.get(DataSource).logger = recorder;
    return recorder;
  }

  /** What the server asked of the database while `work` ran, each kind of statement once; what it does by the clock for all tenants is left out. */
  async watch(work: () => Promise<unknown>): Promise<Recorded[]> {
    this.recorded = [];
    await work();
    const first = new Map(this.recorded.map((statement) => [`${statement.role} ${statement.sql}`, statement]));
    return [...first.values()].filter(({ sql }) => !BY_THE_CLOCK.test(sql));
  }

  logQuery(sql: string, values: unknown[] = [], runner?: QueryRunner): void {
    if (!runner || FRAME.test(sql)) return;
    if (sql.startsWith(`SELECT set_config('role'`)) this.contexts.set(runner, { role: String(values[0]), tenantId: String(values[1]) });
    else this.recorded.push({ sql, values, ...(this.contexts.get(runner) ?? { role: 'none', tenantId: '' }) });
  }

  logQueryError(): void {}
  logQuerySlow(): void {}
  logSchemaBuild(): void {}
  logMigration(): void {}
  log(): void {}
}
