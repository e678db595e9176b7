import { DOCUMENT_STATES, type DocumentEntity, type DocumentRevision } from '../document.entity.js';
import { allowedIn, begun, completed, failed, isBeingMade, revisionOf, versionsInUse } from './transitions.js';

const FACTS: Omit<DocumentRevision, 'version'> = {
  name: 'new.md', title: 'New', type: 'md', mediaType: 'text/markdown', sizeBytes: 70, contentChecksum: 'new', blobKey: 't/d.j2', chunkSize: 500, chunkingStrategy: 'recursive', chunkOverlap: 50, metadata: { a: 2 }, sourceUrl: null,
};

const SERVED: DocumentEntity = {
  ...FACTS, tenantId: 't', id: 'd', userId: 'u', databaseId: 'b', state: 'INGESTED', title: 'Old', name: 'old.md', sizeBytes: 30, contentChecksum: 'old', blobKey: 't/d', metadata: { a: 1 },
  version: 1, lastVersion: 4, next: null, nextBytes: 0, chunkCount: 3, isCharged: true, reservedPoints: 0, quality: null, processingError: null, jobId: 'j1', processedAt: null, createdAt: new Date(0), updatedAt: new Date(0),
};
const FAILED: DocumentEntity = { ...SERVED, state: 'FAILED', version: 4, chunkCount: 0, isCharged: false, processingError: { code: 'no_text', message: 'None.', stage: 'extracting' } };
const COMING: DocumentEntity = { ...SERVED, state: 'INGESTING', lastVersion: 5, next: { ...FACTS, version: 5 }, nextBytes: 70, reservedPoints: 9 };

describe('the life of a document', () => {
  it('allows to delete whatever is not deleted, and to cancel what is being made', () => {
    for (const state of DOCUMENT_STATES) {
      expect([state, allowedIn(state).includes('delete')]).toEqual([state, state !== 'DELETED']);
      expect([state, allowedIn(state).includes('cancel')]).toEqual([state, isBeingMade({ state })]);
    }
  });

  it('begins beside what is served, with the next number of all', () => {
    const patch = begun(SERVED, FACTS, 'j2');
    expect(patch).toEqual({ state: 'PENDING', jobId: 'j2', lastVersion: 5, processingError: null, next: { ...FACTS, version: 5 }, nextBytes: 70 });
    expect(begun(SERVED, { ...FACTS, blobKey: SERVED.blobKey }, 'j2').nextBytes).toBe(0);
  });

  it('begins in place of what failed, charged anew', () => {
    expect({ ...FAILED, ...begun(FAILED, { ...FACTS, title: null, metadata: null }, 'j2') }).toEqual({
      ...FAILED, ...FACTS, title: 'Old', metadata: { a: 1 }, state: 'PENDING', jobId: 'j2', version: 5, lastVersion: 5, isCharged: true, processingError: null,
    });
  });

  it('becomes what was made, and keeps a title and metadata that were left to it', () => {
    expect(completed(COMING, revisionOf(COMING), 8)).toEqual({ ...FACTS, version: 5, state: 'INGESTED', next: null, nextBytes: 0, reservedPoints: 0, chunkCount: 8, processedAt: 'now' });
    expect(completed(COMING, { ...revisionOf(COMING), title: null, metadata: null }, 8)).toMatchObject({ title: 'Old', metadata: { a: 1 } });
  });

  it('stays what it was when nothing comes of it, and costs nothing when it never was', () => {
    const error = { code: 'cancelled', message: 'Cancelled.', stage: 'embedding' };
    expect({ ...COMING, ...failed(COMING, error) }).toEqual({ ...SERVED, lastVersion: 5, processingError: error });
    expect(failed({ ...FAILED, state: 'INGESTING', isCharged: true }, error)).toMatchObject({ state: 'FAILED', isCharged: false, reservedPoints: 0 });
  });

  it('needs the points of what is served and of what comes, and of nothing else', () => {
    expect([SERVED, COMING, FAILED, { ...COMING, state: 'DELETED' as const }, { ...SERVED, state: 'DEPRECATED' as const }, { ...FAILED, state: 'PENDING' as const }, null].map(versionsInUse)).toEqual([[1], [1, 5], [], [], [1], [4], []]);
  });
});
