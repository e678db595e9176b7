import { open, rename, rm, stat, utimes } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { types } from 'node:util';

const HEARTBEAT_MS = 10_000;
/** After so long without a heartbeat its holder is taken for dead. */
const STALE_MS = 60_000;

/**
 * Keeps processes from doing the same work side by side: a file that is there while one of them is at it. It saves work and guards nothing,
 * for two may get past a stale one in the same moment.
 */
export class Lease {
  private constructor(
    private readonly file: string,
    private readonly heartbeat: NodeJS.Timeout,
  ) {}

  /** @returns undefined when another one holds it, or when there is no such directory any more */
  static async take(file: string): Promise<Lease | undefined> {
    if (!(await create(file))) {
      if (!(await removeStale(file)) || !(await create(file))) return undefined;
    }
    const heartbeat = setInterval(() => {
      const now = new Date();
      // Dropped with its table, most likely; then nobody asks for it either.
      utimes(file, now, now).catch(() => clearInterval(heartbeat));
    }, HEARTBEAT_MS).unref();
    return new Lease(file, heartbeat);
  }

  async release(): Promise<void> {
    clearInterval(this.heartbeat);
    await rm(this.file, { force: true });
  }
}

async function create(file: string): Promise<boolean> {
  try {
    await (await open(file, 'wx')).close();
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST') || hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

async function removeStale(file: string): Promise<boolean> {
  try {
    if (Date.now() - (await stat(file)).mtimeMs < STALE_MS) return false;
    // Of several that find it stale only one can move it away.
    const aside = `${file}.${randomUUID()}`;
    await rename(file, aside);
    await rm(aside, { force: true });
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return true;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return types.isNativeError(error) && 'code' in error && error.code === code;
}
