import type pg from 'pg';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import type { TestApp } from './test-app.js';
import type { TestDatabase } from './test-database.js';

export interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  Schema?: string;
  Alias?: string;
  Operation?: string;
  'CTE Name'?: string;
  'Subplan Name'?: string;
  Output?: string[];
  Plans?: PlanNode[];
  [condition: string]: unknown;
}

/** A statement that the server sent, or that a trigger or a foreign key of it ran. */
export interface Planned {
  sql: string;
  plan: PlanNode;
  role: string;
  tenantId: string;
}

interface Notice {
  'Query Text': string;
  'Query Parameters'?: string;
  Plan: PlanNode;
}

/** As every transaction of the server begins. */
const CONTEXT = /set_config\('role', \$1/;
const VALUES = /\$1 = '(\w+)', \$2 = '([^']*)'/;

/**
 * Lets PostgreSQL itself tell how it runs every statement, also those within triggers, functions and foreign keys: `auto_explain` sends each plan to
 * whoever sent the statement. Policies go on refusing what is written for somebody else but hide nothing, so a condition on the tenant is in a
 * plan only when the statement has it.
 */
export async function explainItself(database: TestDatabase): Promise<void> {
  const settings = { session_preload_libraries: 'auto_explain', 'auto_explain.log_min_duration': '0', 'auto_explain.log_level': 'notice', 'auto_explain.log_format': 'json', 'auto_explain.log_verbose': 'on', 'auto_explain.log_nested_statements': 'on', plan_cache_mode: 'force_custom_plan' };
  for (const [name, value] of Object.entries(settings)) await database.query(`ALTER DATABASE ${database.name} SET ${name} = '${value}'`);
  for (const { table } of await database.query<{ table: string }>(`SELECT tablename AS table FROM pg_policies WHERE schemaname = 'public' AND policyname = 'tenant_isolation'`)) {
    await database.query(`ALTER POLICY tenant_isolation ON ${table} USING (true)`);
  }
}

/** Hears the plans of everything that the server in this process sends through its pool to a database that explains itself. */
export class PlanListener {
  private readonly heard = new WeakSet<pg.PoolClient>();
  private planned: Planned[] = [];

  private constructor() {}

  static listenTo(server: TestApp): PlanListener {
    const listener = new PlanListener();
    const pool = (server.app.get(DataSource).driver as PostgresDriver).master as pg.Pool;
    pool.on('acquire', (client) => listener.listen(client));
    return listener;
  }

  /** Since the last watch began. */
  get seen(): readonly Planned[] {
    return this.planned;
  }

  /** What ran while `work` did, and by the clock beside it. */
  async watch(work: () => Promise<unknown>): Promise<Planned[]> {
    this.planned = [];
    await work();
    return this.planned;
  }

  private listen(client: pg.PoolClient): void {
    if (this.heard.has(client)) return;
    this.heard.add(client);
    let context = { role: 'none', tenantId: '' };
    client.on('notice', ({ message }) => {
      const [, json] = /^duration: [\d.]+ ms {2}plan:\n(.+)$/s.exec(message ?? '') ?? [];
      if (json === undefined) return;
      const notice = JSON.parse(json) as Notice;
      const [, role, tenantId] = (CONTEXT.test(notice['Query Text']) && VALUES.exec(notice['Query Parameters'] ?? '')) || [];
      if (role !== undefined && tenantId !== undefined) context = { role, tenantId };
      else this.planned.push({ sql: notice['Query Text'], plan: notice.Plan, ...context });
    });
  }
}
