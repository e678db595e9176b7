import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../../persistence/transactions.js';

@Injectable()
export class EmbeddingCheckpointsRepository {
  /** Which batches there are, by their number, each with the digest of what it was made of. */
  async listDigests(tx: TenantTx, documentId: string): Promise<Map<number, Buffer>> {
    const rows = await tx.manager.query<{ batch: number; digest: Buffer }[]>('SELECT batch, digest FROM embedding_checkpoints WHERE tenant_id = $1 AND document_id = $2', [tx.tenantId, documentId]);
    return new Map(rows.map(({ batch, digest }) => [batch, digest]));
  }

  /** Null when it was removed or made anew meanwhile. */
  async find(tx: TenantTx, documentId: string, batch: number, digest: Buffer): Promise<Buffer | null> {
    const rows = await tx.manager.query<{ vectors: Buffer }[]>(
      'SELECT vectors FROM embedding_checkpoints WHERE tenant_id = $1 AND document_id = $2 AND batch = $3 AND digest = $4',
      [tx.tenantId, documentId, batch, digest],
    );
    return rows[0]?.vectors ?? null;
  }

  async save(tx: TenantTx, documentId: string, batch: number, digest: Buffer, vectors: Buffer): Promise<void> {
    await tx.manager.query(
      `INSERT INTO embedding_checkpoints (tenant_id, document_id, batch, digest, vectors) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (tenant_id, document_id, batch) DO UPDATE SET digest = $4, vectors = $5`,
      [tx.tenantId, documentId, batch, digest, vectors],
    );
  }
}
