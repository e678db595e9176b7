import { Injectable } from '@nestjs/common';
import { Not } from 'typeorm';
import type { TenantTx } from '../persistence/transactions.js';
import { DatabaseServerEntity } from './database-server.entity.js';

@Injectable()
export class DatabaseServersRepository {
  findById(tx: TenantTx, id: string): Promise<DatabaseServerEntity | null> {
    return tx.manager.findOne(DatabaseServerEntity, { where: { tenantId: tx.tenantId, id } });
  }

  /** Every tenant has one. */
  findEmbedded(tx: TenantTx): Promise<DatabaseServerEntity | null> {
    return tx.manager.findOne(DatabaseServerEntity, { where: { tenantId: tx.tenantId, type: 'EMBEDDED' } });
  }

  listRemote(tx: TenantTx): Promise<DatabaseServerEntity[]> {
    return tx.manager.find(DatabaseServerEntity, { where: { tenantId: tx.tenantId, type: Not('EMBEDDED') } });
  }

  async insert(tx: TenantTx, server: Pick<DatabaseServerEntity, 'id' | 'name' | 'type'> & Partial<DatabaseServerEntity>): Promise<void> {
    await tx.manager.insert(DatabaseServerEntity, { ...server, tenantId: tx.tenantId });
  }
}
