import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { TestApp } from './test-app.js';

/** Null when it is not there, or goes meanwhile. */
async function entriesOf(directory: string): Promise<Dirent[] | null> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Every file below a directory, by its path within; none when the directory is not there. */
export async function filesIn(directory: string, within = ''): Promise<string[]> {
  const entries = (await entriesOf(path.join(directory, within))) ?? [];
  const files = await Promise.all(
    entries.map(async (entry) => {
      const name = path.join(within, entry.name);
      return entry.isDirectory() ? filesIn(directory, name) : [name];
    }),
  );
  return files.flat().toSorted();
}

/** All originals and texts a server holds, those still arriving (`incoming/…`) included. */
export function blobsOf(server: Pick<TestApp, 'dataDir'>): Promise<string[]> {
  return filesIn(path.join(server.dataDir, 'blobs'));
}

export const isText = (blob: string): boolean => blob.endsWith('.text');

/** Without the texts. */
export async function originalsOf(server: Pick<TestApp, 'dataDir'>): Promise<string[]> {
  return (await blobsOf(server)).filter((blob) => !isText(blob));
}
