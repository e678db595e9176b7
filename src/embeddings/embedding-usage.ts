import { Injectable } from '@nestjs/common';
import type { EmbeddedAmount } from './embedder.js';

export type EmbeddingUsageListener = (tenantId: string, amount: EmbeddedAmount) => void;

/** Passes on what was embedded for whom to whoever keeps the sums, which stands on a higher floor. */
@Injectable()
export class EmbeddingUsage {
  private listener: EmbeddingUsageListener | undefined;

  onEmbedded(listener: EmbeddingUsageListener): void {
    this.listener = listener;
  }

  note(tenantId: string, amount: EmbeddedAmount): void {
    this.listener?.(tenantId, amount);
  }
}
