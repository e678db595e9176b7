/**
 * Where the files of a document lie. Each name begins with the document's id, by which the reconciliation finds whose it is. The file that
 * replaces another is in its place before anybody knows its version, so it is named after its job: two at once never share a name.
 */
export const firstOriginalKey = (tenantId: string, documentId: string): string => `${tenantId}/${documentId}`;
export const laterOriginalKey = (tenantId: string, documentId: string, jobId: string): string => `${tenantId}/${documentId}.${jobId}`;

/** What a worker elsewhere read in an original that cannot be read here, in UTF-8; it goes when the original goes. */
export const remoteTextKey = (originalKey: string): string => `${originalKey}.remote`;

/** The extracted text of a version, in UTF-8. */
export const textKey = (tenantId: string, documentId: string, version: number): string => `${tenantId}/${documentId}.${version}.text`;
