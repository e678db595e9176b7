import { Injectable } from '@nestjs/common';
import type { TenantTx } from '../../persistence/transactions.js';
import { DuplicateDocument } from '../documents.errors.js';

/** Which document has, or is about to have, which content: each content once in a database, under a key. */
@Injectable()
export class DocumentContentsRepository {
  /**
   * Waits for whoever claims or leaves the same content at this moment.
   * @throws DuplicateDocument when another document has it
   */
  async claim(tx: TenantTx, databaseId: string, checksum: string, documentId: string): Promise<void> {
    const claimed = await tx.manager.query<unknown[]>(
      `INSERT INTO document_contents (tenant_id, database_id, content_checksum, document_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING document_id`,
      [tx.tenantId, databaseId, checksum, documentId],
    );
    if (claimed.length === 1) return;
    const [holder] = await tx.manager.query<{ document_id: string }[]>(
      'SELECT document_id FROM document_contents WHERE tenant_id = $1 AND database_id = $2 AND content_checksum = $3',
      [tx.tenantId, databaseId, checksum],
    );
    if (holder?.document_id !== documentId) throw new DuplicateDocument(holder?.document_id ?? null);
  }

  /** Leaves whatever else the document had claimed to others. */
  async keepOnly(tx: TenantTx, documentId: string, checksums: readonly string[]): Promise<void> {
    await tx.manager.query('DELETE FROM document_contents WHERE tenant_id = $1 AND document_id = $2 AND content_checksum <> ALL ($3)', [tx.tenantId, documentId, checksums]);
  }
}
