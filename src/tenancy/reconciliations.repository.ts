import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { SystemTx } from '../persistence/transactions.js';
import type { ReconciliationKind, StoredReconciliation } from './stored-reconciliation.js';

/** By the database's clock, like everything that several processes read. */
@Injectable()
export class ReconciliationsRepository {
  async insert(tx: SystemTx, kind: ReconciliationKind, durationMs: number, result: object): Promise<void> {
    await tx.manager.query(`INSERT INTO reconciliations (id, kind, started_at, result) VALUES ($1, $2, now() - make_interval(secs => $3), $4)`, [
      uuidv7(),
      kind,
      durationMs / 1000,
      JSON.stringify(result),
    ]);
  }

  async removeOld(tx: SystemTx): Promise<void> {
    await tx.manager.query(`DELETE FROM reconciliations WHERE finished_at < now() - interval '90 days'`);
  }

  async findLatest(tx: SystemTx, kind: ReconciliationKind): Promise<StoredReconciliation | null> {
    const rows = await tx.manager.query<StoredReconciliation[]>(
      `SELECT started_at AS "startedAt", finished_at AS "finishedAt", result FROM reconciliations WHERE kind = $1 ORDER BY id DESC LIMIT 1`,
      [kind],
    );
    return rows[0] ?? null;
  }
}
