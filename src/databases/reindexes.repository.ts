import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import { ReindexEntity } from './reindex.entity.js';

@Injectable()
export class ReindexesRepository {
  findRunning(tx: TenantTx, databaseId: string): Promise<ReindexEntity | null> {
    return tx.manager.findOne(ReindexEntity, { where: { tenantId: tx.tenantId, databaseId, status: 'RUNNING' } });
  }
}
