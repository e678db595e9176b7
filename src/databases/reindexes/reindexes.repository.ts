import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../../persistence/transactions.js';
import { ReindexEntity } from './reindex.entity.js';

export type NewReindex = Omit<ReindexEntity, 'tenantId' | 'documentsDone' | 'attempt' | 'error' | 'createdAt' | 'endedAt' | 'status'>;
export type ReindexPatch = Partial<Pick<ReindexEntity, 'status' | 'documentsDone' | 'attempt' | 'error'>>;

@Injectable()
export class ReindexesRepository {
  async insert(tx: TenantTx, reindex: NewReindex): Promise<void> {
    await tx.manager.insert(ReindexEntity, { ...reindex, tenantId: tx.tenantId, status: 'RUNNING' });
  }

  findById(tx: TenantTx, id: string): Promise<ReindexEntity | null> {
    return tx.manager.findOne(ReindexEntity, { where: { tenantId: tx.tenantId, id } });
  }

  findRunning(tx: TenantTx, databaseId: string): Promise<ReindexEntity | null> {
    return tx.manager.findOne(ReindexEntity, { where: { tenantId: tx.tenantId, databaseId, status: 'RUNNING' } });
  }

  findLatest(tx: TenantTx, databaseId: string): Promise<ReindexEntity | null> {
    return tx.manager.findOne(ReindexEntity, { where: { tenantId: tx.tenantId, databaseId }, order: { id: 'DESC' } });
  }

  /** Until the transaction ends it runs on, unless that ends it. Null when it does not run any more. */
  lockRunning(tx: TenantTx, id: string): Promise<ReindexEntity | null> {
    return tx.manager.findOne(ReindexEntity, { where: { tenantId: tx.tenantId, id, status: 'RUNNING' }, lock: { mode: 'for_no_key_update' } });
  }

  /** It has ended: which documents were where matters to nobody any more. */
  async forgetDocuments(tx: TenantTx, id: string): Promise<void> {
    await tx.manager.query('DELETE FROM reindexed_documents WHERE tenant_id = $1 AND reindex_id = $2', [tx.tenantId, id]);
  }

  async update(tx: TenantTx, id: string, patch: ReindexPatch): Promise<void> {
    const ended = patch.status === undefined ? {} : { endedAt: () => 'now()' };
    await tx.manager.update(ReindexEntity, { tenantId: tx.tenantId, id }, { ...patch, ...ended });
  }
}
