import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import { QuotasService } from '../tenancy/quotas.service.js';
import type { DocumentEntity } from './document.entity.js';

/**
 * What a document costs its tenant, taken and given back whole. Always documents, then bytes, then points: two
 * transactions that lock the counters in different orders would wait for each other.
 */
@Injectable()
export class DocumentCharges {
  constructor(private readonly quotas: QuotasService) {}

  /** @throws QuotaExceeded */
  async take(tx: TenantTx, sizeBytes: number): Promise<void> {
    await this.quotas.take(tx, 'documents', 1);
    await this.quotas.take(tx, 'storage_mb', sizeBytes);
  }

  /** Holds room for vectors, letting go of what an earlier attempt held. @throws QuotaExceeded */
  async reservePoints(tx: TenantTx, held: number, wanted: number): Promise<void> {
    await this.quotas.release(tx, 'vector_points', held);
    await this.quotas.reserve(tx, 'vector_points', wanted);
  }

  async settlePoints(tx: TenantTx, points: number): Promise<void> {
    await this.quotas.settle(tx, 'vector_points', points);
  }

  /** The document as it was before the change that ends it; what it was not charged is not given back. */
  async giveBack(tx: TenantTx, document: Pick<DocumentEntity, 'isCharged' | 'sizeBytes' | 'chunkCount' | 'reservedPoints'>): Promise<void> {
    if (document.isCharged) {
      await this.quotas.giveBack(tx, 'documents', 1);
      await this.quotas.giveBack(tx, 'storage_mb', document.sizeBytes);
      await this.quotas.giveBack(tx, 'vector_points', document.chunkCount);
    }
    await this.quotas.release(tx, 'vector_points', document.reservedPoints);
  }
}
