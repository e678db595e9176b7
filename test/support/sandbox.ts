import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { chmod, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from './factories.js';
import { ServerProcess } from './server-process.js';

/** Where the embedded database of a data directory keeps its files. */
export function databaseFiles(dataDir: string): string {
  const note = path.join(dataDir, 'postgres-location');
  const home = existsSync(note) ? readFileSync(note, 'utf8').trim() : path.join(dataDir, 'postgres');
  return path.join(home, 'data');
}

/** The process number in `postmaster.pid`; null without one. */
export function postmasterOf(dataDir: string): number | null {
  const file = path.join(databaseFiles(dataDir), 'postmaster.pid');
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : null;
}

function workingDirectoryOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    // Ended meanwhile, or somebody else's.
    return '';
  }
}

/** Every process of the embedded database, by its number: each works in the directory of its data. */
export function databaseProcesses(dataDir: string): number[] {
  const files = databaseFiles(dataDir);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && workingDirectoryOf(name) === files)
    .map(Number);
}

/** Data directories and servers of one test file, of which nothing is left afterwards, whatever failed. */
export class Sandbox {
  private readonly directories: string[] = [];
  private readonly servers: ServerProcess[] = [];

  /** A fresh one, which the database's own user may enter when root runs the tests. */
  async dataDir(mode = 0o755): Promise<string> {
    const directory = await mkdtemp(path.join(tmpdir(), 'morag-process-'));
    await chmod(directory, mode);
    this.directories.push(directory);
    return directory;
  }

  /** A fresh one with all that is in another, whose database must not run: with an embedded database that need not be created. */
  async copyOf(dataDir: string): Promise<string> {
    const directory = await this.dataDir();
    const { status, stderr } = spawnSync('cp', ['-a', `${dataDir}/.`, directory], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${dataDir} could not be copied: ${stderr}`);
    // It may be another server's by now.
    await writeFile(path.join(databaseFiles(directory), 'morag-port'), '0');
    return directory;
  }

  /** Starts a server and does not wait. */
  launch(env: Record<string, string>, args: string[] = []): ServerProcess {
    const server = ServerProcess.launch({ PORT: '0', ...env }, args);
    this.servers.push(server);
    return server;
  }

  /** Starts a server and waits until it is ready. */
  async start(env: Record<string, string>): Promise<ServerProcess> {
    const server = this.launch(env);
    await server.says(/"msg":"ready"/);
    return server;
  }

  async clean(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.end('SIGKILL')));
    for (const directory of this.directories) {
      await killDatabase(directory);
      const home = path.dirname(databaseFiles(directory));
      await rm(home, { recursive: true, force: true });
      if (!home.startsWith(directory)) await removeIfEmpty(path.dirname(home));
      await rm(directory, { recursive: true, force: true });
    }
  }
}

async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    // Another server keeps its database there.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}

/** As a power cut would, for this one database, which somebody may bring back at once. */
export function cutPower(dataDir: string): void {
  for (const pid of databaseProcesses(dataDir)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Resolves when none of its processes is left. */
export async function killDatabase(dataDir: string): Promise<void> {
  cutPower(dataDir);
  await eventually(async () => databaseProcesses(dataDir), (left) => left.length === 0);
}
