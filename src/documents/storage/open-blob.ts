import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { errorCode } from '../../common/error-code.js';

/** A file that can be read to its end, once, whatever happens to its key. */
export interface OpenBlob {
  sizeBytes: number;
  /** Whoever does not read it to its end destroys it. */
  stream: Readable;
}

/** Null when there is no such file. */
export async function openFile(path: string): Promise<OpenBlob | null> {
  try {
    const handle = await open(path, 'r');
    const { size } = await handle.stat();
    return { sizeBytes: size, stream: handle.createReadStream({ highWaterMark: 256 * 1024 }) };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** For a file that must be there. */
export async function opened(opening: Promise<OpenBlob | null>, what: string): Promise<OpenBlob> {
  const blob = await opening;
  if (!blob) throw new Error(`${what} is missing`);
  return blob;
}
