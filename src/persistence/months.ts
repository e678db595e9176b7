import { Injectable } from '@nestjs/common';
import { BackupRuns, backupRuns } from './backup-lock.js';
import { Transactions, type SystemTx } from './transactions.js';

/** The tables that lie in months (migration 26). Those of a line have the same months, always; the first is what the others belong to. */
const FAMILIES = {
  usage_hourly: ['usage_hourly'],
  usage_daily: ['usage_daily'],
  embedding_usage: ['embedding_usage'],
  audit_entries: ['audit_entries', 'audit_links'],
  webhook_deliveries: ['webhook_deliveries', 'webhook_attempts'],
} as const;
export type Family = keyof typeof FAMILIES;
export const FAMILY_NAMES = Object.keys(FAMILIES) as Family[];

/** How many there are to be beside the present one. */
const AHEAD = 2;
/** Rows that came too late or too early are moved, and a month of the audit is looked through before it goes. */
const LONGEST_STATEMENT = `SELECT set_config('statement_timeout', '10min', true)`;

/** Asks PostgreSQL, each time in a transaction of its own. */
type Ask = <Row extends Record<string, unknown>>(sql: string, values?: unknown[]) => Promise<Row[]>;

/** First days, the oldest first, from the names of the tables: `usage_hourly_2026_11` is a month of `usage_hourly`. */
const MONTHS = `SELECT replace(right(relname, 7), '_', '-') || '-01' AS month FROM pg_class
  WHERE relnamespace = to_regnamespace('partitions') AND relkind = 'r' AND relname ~ ('^' || $1::text || '_\\d{4}_\\d\\d$')`;

export async function openMonth(ask: Ask, family: Family, month: string): Promise<void> {
  await ask('SELECT open_month($1, $2)', [FAMILIES[family], month]);
}

export async function listMonths(ask: Ask, family: Family): Promise<string[]> {
  return (await ask<{ month: string }>(`${MONTHS} ORDER BY 1`, [family])).map(({ month }) => month);
}

/**
 * Opens this month, the next ones, and those of rows that came when theirs was not there. Safe in several processes at once; where it would have to
 * wait for somebody it fails soon (55P03), with what it has done standing, for everybody who comes later would wait behind it.
 * @param now of the database when left out
 */
export async function openMonths(ask: Ask, now?: Date): Promise<void> {
  for (const family of FAMILY_NAMES) {
    const missing = await ask<{ month: string }>(
      `SELECT month::text FROM (
         SELECT (date_trunc('month', coalesce($2::timestamptz, now()) AT TIME ZONE 'UTC') + make_interval(months => ahead))::date AS month FROM generate_series(0, $3::int) ahead
         UNION SELECT list_strays($1)) wanted
        WHERE month::text NOT IN (${MONTHS}) ORDER BY 1`,
      [family, now ?? null, AHEAD],
    );
    for (const { month } of missing) await openMonth(ask, family, month);
  }
}

/** Opens months before they begin and drops them when all of it is old; both is done by functions of the owner's, for nobody else may. */
@Injectable()
export class Months {
  constructor(private readonly transactions: Transactions) {}

  open(now?: Date): Promise<void> {
    const ask: Ask = (sql, values) =>
      this.transactions.forSystem(async (tx) => {
        await tx.manager.query(LONGEST_STATEMENT);
        return tx.manager.query(sql, values);
      });
    return openMonths(ask, now);
  }

  /** Those whose last day is more than so many days ago, the oldest first. */
  async listOver(family: Family, days: number): Promise<string[]> {
    const rows = await this.transactions.forSystem((tx) =>
      tx.manager.query<{ month: string }[]>(`SELECT month FROM (${MONTHS}) AS months WHERE month::date + interval '1 month' <= (now() AT TIME ZONE 'UTC')::date - $2::int ORDER BY 1`, [family, days]),
    );
    return rows.map(({ month }) => month);
  }

  /** @param onlyEmpty leaves those in which there is a row */
  async dropOver(family: Exclude<Family, 'audit_entries'>, days: number, signal: AbortSignal, { onlyEmpty = false } = {}): Promise<void> {
    for (const month of await this.listOver(family, days)) {
      signal.throwIfAborted();
      await this.withoutBackup((tx) => tx.manager.query('SELECT drop_month($1, $2, $3)', [FAMILIES[family], month, onlyEmpty]));
    }
  }

  /** @throws BackupRuns: what a backup has not read yet would be missing in it, whatever its snapshot is of */
  withoutBackup<T>(drop: (tx: SystemTx) => Promise<T>): Promise<T> {
    return this.transactions.forSystem(async (tx) => {
      if (await backupRuns(tx)) throw new BackupRuns();
      await tx.manager.query(LONGEST_STATEMENT);
      return drop(tx);
    });
  }
}
