import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { Transactions } from '../persistence/transactions.js';
import type { DocumentEntity } from './document.entity.js';
import { NotIngested, TextNotKept } from './documents.errors.js';
import { DocumentsRepository } from './documents.repository.js';
import { BlobStore } from './storage/blob-store.js';
import type { OpenBlob } from './storage/open-blob.js';
import { textKey } from './versions/blob-keys.js';
import { isServed } from './versions/transitions.js';

/** How often a file is looked for that was replaced between reading its row and opening it. */
const ATTEMPTS = 3;

export interface DocumentFile {
  document: DocumentEntity;
  blob: OpenBlob;
}

/** The files of a document, opened for whoever may read it. */
@Injectable()
export class DocumentFiles {
  constructor(
    private readonly transactions: Transactions,
    private readonly documents: DocumentsRepository,
    private readonly blobs: BlobStore,
  ) {}

  /** As it was sent. @throws DocumentNotFound */
  async openOriginal(principal: Principal, id: string): Promise<DocumentFile> {
    return this.openCurrent(principal, id, ({ blobKey }) => blobKey, (document) => new Error(`the file of the document ${document.id} is missing`));
  }

  /** What was read in it, UTF-8. @throws DocumentNotFound, NotIngested, TextNotKept */
  async openText(principal: Principal, id: string): Promise<DocumentFile> {
    return this.openCurrent(principal, id, (document) => {
      if (!isServed(document)) throw new NotIngested(document.state);
      return textKey(document.tenantId, document.id, document.version);
    }, () => new TextNotKept());
  }

  /** The file of the version that is served: again when another one took its place before it was open. */
  private async openCurrent(principal: Principal, id: string, keyOf: (document: DocumentEntity) => string, missing: (document: DocumentEntity) => Error): Promise<DocumentFile> {
    for (let attempt = 1; ; attempt++) {
      const { document } = await this.transactions.forTenant(principal.tenantId, (tx) => this.documents.requireVisible(tx, id, principal.databaseIds));
      const blob = await this.blobs.openForReading(keyOf(document));
      if (blob) return { document, blob };
      if (attempt === ATTEMPTS) throw missing(document);
    }
  }
}
