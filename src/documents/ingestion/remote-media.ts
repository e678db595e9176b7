import { REMOTE_TYPES, type RemoteType } from '../../jobs/remote-types.js';
import { DOCUMENT_TYPES, type DocumentType, type ReadableType } from './media-type.js';

/** What a file is, and how a file of its kind is called. */
export interface DetectedType {
  type: DocumentType;
  mediaType: string;
  /** Without the dot. */
  extension: string;
}

/** Every type that a document can have. */
export const ALL_DOCUMENT_TYPES: readonly DocumentType[] = [...(Object.keys(DOCUMENT_TYPES) as ReadableType[]), ...REMOTE_TYPES];

/** What reads such a file elsewhere; null for what is read here. */
export function remoteTypeOf(type: DocumentType): RemoteType | null {
  return REMOTE_TYPES.find((remote) => remote === type) ?? null;
}

/** Audio, video or an image by its first bytes, whatever it is called; null for anything else. */
export async function detectRemoteMedia(head: Uint8Array): Promise<DetectedType | null> {
  const { fileTypeFromBuffer } = await import('file-type');
  try {
    const found = await fileTypeFromBuffer(head);
    const mediaType = found?.mime.split(';', 1)[0] ?? '';
    const type = REMOTE_TYPES.find((remote) => mediaType.startsWith(`${remote}/`));
    return found && type ? { type, mediaType, extension: found.ext } : null;
  } catch (error) {
    // A prefix may be too short for the library's parser, or broken: then it is none of these.
    if (error instanceof Error) return null;
    throw error;
  }
}
