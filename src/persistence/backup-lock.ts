import type { AnyTx } from './transactions.js';

/** Held alone by a backup for as long as it reads; any constant will do, as long as every process uses the same. */
export const BACKUP_LOCK = 7_120_321_604_520;

/** After so long, work that a backup holds off asks again. */
export const PUT_OFF_SECONDS = 120;

/** A backup is being made, and what it copies may not be removed meanwhile. */
export class BackupRuns extends Error {
  override readonly name = 'BackupRuns';

  constructor() {
    super('a backup is being made: nothing is removed before it has ended');
  }
}

/**
 * Whether a backup is under way, so that nothing may be removed from the stores beside the database. To be asked in the transaction that decides
 * what is to go, and after it has read what it decides by: a backup that begins later sees at least as much, so its rows do not name what goes.
 */
export async function backupRuns(tx: AnyTx): Promise<boolean> {
  const [row] = await tx.manager.query<{ runs: boolean }[]>('SELECT NOT pg_try_advisory_xact_lock_shared($1) AS runs', [BACKUP_LOCK]);
  return row!.runs;
}
