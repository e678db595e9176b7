import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';
import { QUEUE_SCHEMA } from './queue.setup.js';

/** What the queue holds of a tenant, by the group under which everything of it was sent. */
@Injectable()
export class QueueEntriesRepository {
  /** Whether a worker holds one, other than of `queue`. One that died holds it until its silence was noticed. */
  async someoneWorks(tx: SystemTx, group: string, { except: queue }: { except: string }): Promise<boolean> {
    const rows = await tx.manager.query<unknown[]>(`SELECT FROM ${QUEUE_SCHEMA}.job WHERE group_id = $1 AND state = 'active' AND name <> $2 LIMIT 1`, [group, queue]);
    return rows.length > 0;
  }

  /** Of those that nobody works on, and answers how many it removed. */
  async removeIdle(tx: SystemTx, group: string, limit: number): Promise<number> {
    const [, removed] = await tx.manager.query<[unknown[], number]>(
      `DELETE FROM ${QUEUE_SCHEMA}.job WHERE (name, id) IN (SELECT name, id FROM ${QUEUE_SCHEMA}.job WHERE group_id = $1 AND state <> 'active' LIMIT $2)`,
      [group, limit],
    );
    return removed;
  }

  async removeAll(tx: SystemTx, group: string): Promise<void> {
    await tx.manager.query(`DELETE FROM ${QUEUE_SCHEMA}.job WHERE group_id = $1`, [group]);
  }
}
