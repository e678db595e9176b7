import { Injectable } from '@nestjs/common';
import type { SystemTx, TenantTx } from '../persistence/transactions.js';
import type { JobPriority } from './job.entity.js';

/** How far a job is behind the one before it of its tenant and kind: the inverse of the share of a tenant that has only such jobs. */
const COST: Readonly<Record<JobPriority, number>> = { normal: 1, low: 4 };

/**
 * Whose turn it is, over all tenants: start-time fair queueing (Goyal, Vin, Cheng, 1997). A job's turn comes after its tenant's last one that is
 * open, but no earlier than that of the job that was started last. So what a tenant has waiting takes turns that lie ever further ahead, whoever
 * comes with one job is next, several that have many take turns, and every turn comes.
 */
@Injectable()
export class JobTurnsRepository {
  /** One after the other within a tenant, until the transaction ends: several at once would else all get one turn, and a flood comes like that. */
  async next(tx: TenantTx, priority: JobPriority): Promise<number> {
    await tx.manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('turn of ' || $1, 0))`, [tx.tenantId]);
    const [row] = await tx.manager.query<[{ turn: number }]>(
      `SELECT GREATEST((SELECT last_value + $3 - 1 FROM job_turn), (SELECT max(turn) + $3 FROM jobs WHERE tenant_id = $1 AND priority = $2 AND ended_at IS NULL))::int AS turn`,
      [tx.tenantId, priority, COST[priority]],
    );
    return row.turn;
  }

  /** The clock only goes forward; of two processes at once the one that is behind may win, until the next job starts. */
  async advance(tx: SystemTx, turn: number): Promise<void> {
    await tx.manager.query(`SELECT setval('job_turn', $1) FROM job_turn WHERE last_value < $1`, [turn]);
  }
}
