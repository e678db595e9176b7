import type { DocumentEntity, DocumentRevision, DocumentState, ProcessingError } from '../document.entity.js';
import type { DocumentPatch } from '../documents.repository.js';

export const OPERATIONS = ['delete', 'deprecate', 'restore', 'reprocess', 'cancel'] as const;
export type Operation = (typeof OPERATIONS)[number];

const ALLOWED: Readonly<Record<DocumentState, readonly Operation[]>> = {
  PENDING: ['cancel', 'delete'],
  INGESTING: ['cancel', 'delete'],
  INGESTED: ['delete', 'deprecate', 'reprocess'],
  FAILED: ['delete', 'reprocess'],
  DEPRECATED: ['delete', 'restore'],
  DELETED: [],
};

export const allowedIn = (state: DocumentState): readonly Operation[] => ALLOWED[state];

export const isBeingMade = ({ state }: Pick<DocumentEntity, 'state'>): boolean => state === 'PENDING' || state === 'INGESTING';

/** Whether there is a version that readers see. */
export const isServed = ({ state, next }: Pick<DocumentEntity, 'state' | 'next'>): boolean => state === 'INGESTED' || state === 'DEPRECATED' || next !== null;

/** What the work on the document makes of it. */
export function revisionOf(document: DocumentEntity): DocumentRevision {
  if (document.next) return document.next;
  const { version, name, title, type, mediaType, sizeBytes, contentChecksum, blobKey, chunkSize, chunkOverlap, chunkingStrategy, metadata, sourceUrl } = document;
  return { version, name, title, type, mediaType, sizeBytes, contentChecksum, blobKey, chunkSize, chunkOverlap, chunkingStrategy, metadata, sourceUrl };
}

/** Versions that a reader or a worker may need. One that is not among them and not above `lastVersion` never will be again. */
export function versionsInUse(document: DocumentEntity | null): number[] {
  if (!document || document.state === 'DELETED' || document.state === 'FAILED') return [];
  return document.next ? [document.version, document.next.version] : [document.version];
}

function factsOf(document: DocumentEntity, { title, metadata, ...facts }: DocumentRevision): DocumentPatch {
  return { ...facts, title: title ?? document.title, metadata: metadata ?? document.metadata };
}

/** Beside what is served; in place of what was never whole. */
export function begun(document: DocumentEntity, facts: Omit<DocumentRevision, 'version'>, jobId: string): DocumentPatch {
  const revision = { ...facts, version: document.lastVersion + 1 };
  const work: DocumentPatch = { state: 'PENDING', jobId, lastVersion: revision.version, processingError: null };
  if (document.state === 'FAILED') return { ...work, ...factsOf(document, revision), isCharged: true, chunkCount: 0, processedAt: null };
  return { ...work, next: revision, nextBytes: revision.blobKey === document.blobKey ? 0 : revision.sizeBytes };
}

/** What was made is served from now on. */
export function completed(document: DocumentEntity, revision: DocumentRevision, chunkCount: number): DocumentPatch {
  return { ...factsOf(document, revision), state: 'INGESTED', next: null, nextBytes: 0, reservedPoints: 0, chunkCount, processedAt: 'now' };
}

/** What is served stays, with the reason why nothing newer came; what was never whole costs nothing. */
export function failed(document: DocumentEntity, processingError: ProcessingError): DocumentPatch {
  const ended: DocumentPatch = { next: null, nextBytes: 0, reservedPoints: 0, processingError };
  return document.next ? { ...ended, state: 'INGESTED' } : { ...ended, state: 'FAILED', isCharged: false, processedAt: 'now' };
}
