import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { StartupError } from './env.js';

const markerOf = (dataDir: string): string => path.join(dataDir, 'restore-unfinished');

/** The first thing that a restore does, and the last it takes back: in between nothing may take the directory for an installation. */
export function markUnfinishedRestore(dataDir: string): void {
  writeFileSync(markerOf(dataDir), 'A restore into this directory has not come to its end.\n', { flush: true });
}

export function unmarkUnfinishedRestore(dataDir: string): void {
  rmSync(markerOf(dataDir));
}

/** @throws StartupError */
export function refuseUnfinishedRestore(dataDir: string): void {
  if (existsSync(markerOf(dataDir))) throw new StartupError(`A restore into DATA_DIR ${dataDir} has not come to its end. Empty the directory and restore again.`);
}
