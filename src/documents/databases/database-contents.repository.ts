import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../../persistence/transactions.js';

@Injectable()
export class DatabaseContentsRepository {
  /** Some that are not deleted yet. */
  async listDocuments(tx: TenantTx, databaseId: string, limit: number): Promise<string[]> {
    const rows = await tx.manager.query<{ id: string }[]>(`SELECT id FROM documents WHERE tenant_id = $1 AND database_id = $2 AND state <> 'DELETED' LIMIT $3`, [tx.tenantId, databaseId, limit]);
    return rows.map(({ id }) => id);
  }
}
