import { Injectable } from '@nestjs/common';
import type { SystemTx } from '../persistence/transactions.js';
import type { Purges } from './purges.js';

@Injectable()
export class PendingPurgesRepository {
  async read(tx: SystemTx): Promise<Purges> {
    const rows = await tx.manager.query<Purges[]>(
      `SELECT (SELECT count(*)::int FROM tenants WHERE purge_requested_at IS NOT NULL) AS tenants, count(*)::int AS documents, min(updated_at) AS "oldestAt" FROM documents WHERE state = 'DELETED'`,
    );
    return rows[0]!;
  }
}
