import { AppError } from '../common/errors.js';
import type { DocumentState } from './document.entity.js';
import { ServiceUnavailable } from '../common/request-errors.js';

export class DocumentNotFound extends AppError {
  constructor() {
    super({ status: 404, code: 'not_found', title: 'Not found', detail: 'There is no such document.' });
  }
}

export class DuplicateDocument extends AppError {
  /** @param documentId the one that has the content; null when it was deleted in this moment */
  constructor(documentId: string | null) {
    super({
      status: 409,
      code: 'duplicate_document',
      title: 'Duplicate document',
      detail: documentId === null ? 'The same content was deleted in this moment; send it again.' : `The same content is in this database already, as document ${documentId}.`,
      members: { document_id: documentId },
    });
  }
}

/** Not in the document's present state. */
export class IllegalTransition extends AppError {
  /** @param allowed names of the operations that are possible now */
  constructor(state: DocumentState, allowed: readonly string[]) {
    super({
      status: 409,
      code: 'illegal_transition',
      title: 'Illegal transition',
      detail: `That is not possible while the document is ${state}. Possible now: ${allowed.join(', ')}.`,
      members: { state, allowed },
    });
  }
}

/** Other work on the document came in between. */
export class DocumentChanged extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'document_changed',
      title: 'Document changed',
      detail: 'The document was changed, deleted or uploaded by somebody else in this moment. Nothing was changed; send the request again.',
      retryable: true,
    });
  }
}

/** The file cannot be one of ours, and that shows before any work is done on it. */
export class FileRefused extends AppError {
  constructor(code: string, detail: string) {
    super({ status: code === 'empty_file' || code === 'no_text' ? 422 : 415, code, title: 'File refused', detail });
  }
}

/** A type that can be read, and that this tenant does not want. */
export class FileTypeNotAllowed extends AppError {
  constructor(type: string, allowed: readonly string[]) {
    super({
      status: 415,
      code: 'type_not_allowed',
      title: 'Type not allowed',
      detail: `Your tenant does not take files of the type ${type}, only: ${allowed.join(', ')}.`,
      members: { file_type: type, allowed_file_types: allowed },
    });
  }
}

export class InvalidChunking extends AppError {
  /** As they would be, with what the request does not name. */
  constructor(chunkSize: number, chunkOverlap: number) {
    super({
      status: 422,
      code: 'invalid_chunking',
      title: 'Invalid chunking',
      detail: `chunk_overlap must be smaller than chunk_size; they would be ${chunkOverlap} and ${chunkSize}. What is not named comes from the tenant's configuration or, when a document is processed anew, from the document.`,
    });
  }
}

/** There is nothing to read of it yet, or never will be. */
export class NotIngested extends AppError {
  constructor(state: string) {
    super({
      status: 409,
      code: 'not_ingested',
      title: 'Not ingested',
      detail: state === 'FAILED' ? 'The document failed, so no text of it is known: its processing_error says why.' : 'The document has not been read yet: ask again when its state is INGESTED.',
      retryable: state !== 'FAILED',
      members: { state },
    });
  }
}

/** Only what was fetched can be fetched again. */
export class NotFromUrl extends AppError {
  constructor() {
    super({ status: 422, code: 'no_source_url', title: 'No source URL', detail: 'The document was sent as a file or a text, so there is nothing to fetch. Send its new version with replace_existing.' });
  }
}

/** Documents from before texts were kept have none. */
export class TextNotKept extends AppError {
  constructor() {
    super({ status: 409, code: 'text_not_kept', title: 'Text not kept', detail: 'This document was ingested before texts were kept. Reprocess it, and its text can be read.' });
  }
}

export class StorageFull extends AppError {
  constructor() {
    super({ status: 507, code: 'storage_full', title: 'Storage full', detail: 'The server has no room left. Nothing was kept; tell its operator.', retryable: true });
  }
}

/** The server that keeps the files is away, or does not do what it is asked: for the operator to mend. */
export class BlobStoreUnavailable extends ServiceUnavailable {
  constructor(cause: unknown) {
    super('blob_store_unavailable', 'The store of files does not answer. Nothing was kept; try again in a moment.', 5, { cause });
  }
}

/** More texts wait to be cut than can be held; nothing was done for this one. */
export class ProcessingBusy extends ServiceUnavailable {
  constructor() {
    super('busy', 'Too many texts are being processed right now. Try again in a moment.', 2);
  }
}
