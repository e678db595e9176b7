import pg from 'pg';
import { DataSource } from 'typeorm';
import { BY_THE_CLOCK } from './statement-recorder.js';
import type { TestApp } from './test-app.js';

/** The plans of the SELECT statements on these tables (the first one that a statement names) that a call leads to, as the system's role gets them. */
export async function plansOf(server: TestApp, tables: readonly string[], call: () => Promise<unknown>): Promise<string[]> {
  const source = server.app.get(DataSource);
  const asked: [string, unknown[]][] = [];
  const { logger } = source;
  source.logger = { ...silent, logQuery: (sql: string, values?: unknown[]) => void asked.push([sql, values ?? []]) };
  try {
    await call();
  } finally {
    source.logger = logger;
  }
  // Others are asked now and then: for the caller's session, or by the worker.
  return explain(server, asked.filter(([sql]) => sql.startsWith('SELECT ') && !BY_THE_CLOCK.test(sql) && tables.includes(/\bFROM "?(\w+)/.exec(sql)?.[1] ?? '')));
}

const ignore = (): void => undefined;
const silent = { logQueryError: ignore, logQuerySlow: ignore, logSchemaBuild: ignore, logMigration: ignore, log: ignore };

async function explain(server: TestApp, statements: [string, unknown[]][]): Promise<string[]> {
  const login = new pg.Client({ connectionString: server.database.url });
  await login.connect();
  try {
    await login.query('BEGIN');
    await login.query(`SELECT set_config('role', 'morag_system', true)`);
    const plans: string[] = [];
    for (const [sql, values] of statements) {
      const { rows } = await login.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`, values);
      plans.push([sql, ...rows.map((row) => row['QUERY PLAN'])].join('\n'));
    }
    return plans;
  } finally {
    await login.end();
  }
}
