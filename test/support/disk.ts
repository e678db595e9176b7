import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { TestApp } from './test-app.js';

/** Every file below a directory, by its path within; none when the directory is not there. */
export async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name))).toSorted();
}

/** All originals a server holds, those still arriving (`incoming/…`) included. */
export function blobsOf(server: Pick<TestApp, 'dataDir'>): Promise<string[]> {
  return filesIn(path.join(server.dataDir, 'blobs'));
}
