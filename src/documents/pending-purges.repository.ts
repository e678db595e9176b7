import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';
import type { Purges } from './purges.js';

@Injectable()
export class PendingPurgesRepository {
  async read(tx: SystemTx): Promise<Purges> {
    const rows = await tx.manager.query<Purges[]>(`SELECT count(*)::int AS documents, min(updated_at) AS "oldestAt" FROM documents WHERE state = 'DELETED'`);
    return rows[0]!;
  }
}
