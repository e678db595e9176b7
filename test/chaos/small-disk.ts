import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const SIZE = 16 * 1024 * 1024;

function mount(directory: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', directory], { stdio: 'pipe' });
}

function unmount(directory: string): void {
  execFileSync('umount', ['--lazy', directory]);
}

function findObstacle(): string | null {
  const directory = mkdtempSync(path.join(tmpdir(), 'morag-disk-'));
  try {
    mount(directory);
    unmount(directory);
    return null;
  } catch (error) {
    return `no disk can be mounted here: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`;
  } finally {
    rmdirSync(directory);
  }
}

/** Why there can be no `SmallDisk` here; null when there can. */
export const obstacleToSmallDisks = findObstacle();

/** A disk of its own for a directory, so that it can be full. Where none can be mounted, the directory stays on the disk of everything else. */
export class SmallDisk {
  private constructor(private readonly directory: string) {}

  static async at(directory: string): Promise<SmallDisk> {
    await mkdir(directory, { recursive: true });
    if (obstacleToSmallDisks === null) mount(directory);
    return new SmallDisk(directory);
  }

  private get ballast(): string {
    return path.join(this.directory, 'ballast');
  }

  /** To the last byte. */
  async fill(): Promise<void> {
    const ballast = await open(this.ballast, 'w');
    try {
      for (let blockBytes = 1024 * 1024; blockBytes > 0; blockBytes = Math.floor(blockBytes / 2)) {
        const block = Buffer.alloc(blockBytes, 1);
        while (await fits(ballast.write(block))) continue;
      }
    } finally {
      await ballast.close();
    }
  }

  async empty(): Promise<void> {
    await rm(this.ballast, { force: true });
  }

  unmount(): void {
    if (obstacleToSmallDisks === null) unmount(this.directory);
  }
}

async function fits(writing: Promise<{ bytesWritten: number }>): Promise<boolean> {
  try {
    return (await writing).bytesWritten > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
