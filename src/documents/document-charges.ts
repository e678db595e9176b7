import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../persistence/transactions.js';
import { QuotasService } from '../tenancy/quotas.service.js';
import type { DocumentCharge } from './document.entity.js';

interface Amounts {
  documents: number;
  bytes: number;
  points: number;
  reserved: number;
}

const NOTHING: Amounts = { documents: 0, bytes: 0, points: 0, reserved: 0 };

/** As `DOCUMENT_COUNTS` reads it from the rows. */
function amountsOf(charge: DocumentCharge | null): Amounts {
  if (charge === null) return NOTHING;
  if (!charge.isCharged) return { ...NOTHING, reserved: charge.reservedPoints };
  return { documents: 1, bytes: charge.sizeBytes + charge.nextBytes, points: charge.chunkCount, reserved: charge.reservedPoints };
}

/** What a document costs its tenant. Its own row says what it has taken and reserved: whoever changes that locks the row first. */
@Injectable()
export class DocumentCharges {
  constructor(private readonly quotas: QuotasService) {}

  /**
   * Changes the counters by what the row said before and says now, as one net change; null when there is no row. So a file that replaces
   * another, or points that were reserved and become use, need no room besides, and what was not charged is not given back.
   * @throws QuotaExceeded
   */
  settle(tx: TenantTx, before: DocumentCharge | null, after: DocumentCharge | null): Promise<void> {
    const [was, is] = [amountsOf(before), amountsOf(after)];
    return this.quotas.change(tx, {
      documents: { used: is.documents - was.documents },
      storage_mb: { used: is.bytes - was.bytes },
      vector_points: { used: is.points - was.points, reserved: is.reserved - was.reserved },
    });
  }

  /** Takes nothing. @throws QuotaExceeded when so much could not be taken now */
  requireRoom(tx: TenantTx, room: { documents: number; bytes: number }): Promise<void> {
    return this.quotas.requireRoom(tx, { documents: room.documents, storage_mb: room.bytes });
  }
}
