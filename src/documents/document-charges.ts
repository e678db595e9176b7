import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import { QuotasService } from '../tenancy/quotas.service.js';
import type { DocumentCharge } from './document.entity.js';

/**
 * What a document costs its tenant, each change of it one net change of the counters. The document's own row says what it has taken and
 * reserved: whoever changes that locks the row first and says here what it said before.
 */
@Injectable()
export class DocumentCharges {
  constructor(private readonly quotas: QuotasService) {}

  /** @throws QuotaExceeded */
  take(tx: TenantTx, sizeBytes: number): Promise<void> {
    return this.quotas.take(tx, { documents: 1, storage_mb: sizeBytes });
  }

  /** Takes nothing. @throws QuotaExceeded when one more document of this size could not be taken now */
  requireRoom(tx: TenantTx, sizeBytes: number): Promise<void> {
    return this.quotas.requireRoom(tx, { documents: 1, storage_mb: sizeBytes });
  }

  /** Holds room for vectors, less what an earlier attempt still holds. @throws QuotaExceeded */
  reservePoints(tx: TenantTx, before: DocumentCharge, points: number): Promise<void> {
    return this.quotas.change(tx, { vector_points: { reserved: points - before.reservedPoints } });
  }

  releasePoints(tx: TenantTx, before: DocumentCharge): Promise<void> {
    return this.quotas.change(tx, { vector_points: { reserved: -before.reservedPoints } });
  }

  /** What was reserved becomes use. What was not, or no longer, is taken anew. @throws QuotaExceeded */
  settlePoints(tx: TenantTx, before: DocumentCharge, points: number): Promise<void> {
    return this.quotas.change(tx, { vector_points: { used: points - before.chunkCount, reserved: -before.reservedPoints } });
  }

  /** Everything, once the document has ended; what it was not charged is not given back. */
  giveBack(tx: TenantTx, before: DocumentCharge): Promise<void> {
    const { documents, bytes, points } = before.isCharged ? { documents: 1, bytes: before.sizeBytes, points: before.chunkCount } : { documents: 0, bytes: 0, points: 0 };
    return this.quotas.change(tx, { documents: { used: -documents }, storage_mb: { used: -bytes }, vector_points: { used: -points, reserved: -before.reservedPoints } });
  }
}
