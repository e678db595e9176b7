import { open, readdir } from 'node:fs/promises';
import { errorCode } from '../common/error-code.js';

/** Of every mounted file system. */
const NO_CONTENTS = new Set(['lost+found']);

/** One that is not there is not filled either. */
export async function isFilled(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).some((name) => !NO_CONTENTS.has(name));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Makes durable which names are in it. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
