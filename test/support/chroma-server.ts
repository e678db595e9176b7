import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from './redis-server.js';

const CLI = path.resolve('node_modules/chromadb/dist/cli.mjs');

/** A real Chroma, which the npm package carries and which wants glibc 2.38 or newer on Linux. */
export class ChromaServer {
  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly directory: string,
  ) {}

  /** @returns undefined, aloud, where it does not start */
  static async start(): Promise<ChromaServer | undefined> {
    const [port, directory] = [await freePort(), await mkdtemp(path.join(tmpdir(), 'morag-chroma-'))];
    const child = spawn(process.execPath, [CLI, 'run', '--path', directory, '--host', '127.0.0.1', '--port', String(port)], { stdio: ['ignore', 'pipe', 'pipe'] });
    const server = new ChromaServer(`http://127.0.0.1:${port}`, child, directory);
    const closed = once(child, 'close');
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (printed += text));
    while (!printed.includes('server listening')) {
      await Promise.race([once(child.stdout, 'data'), closed]);
      if (child.exitCode === null && child.signalCode === null) continue;
      await rm(directory, { recursive: true });
      console.warn(`skipped: Chroma does not start here; set CHROMA_URL to one that runs (${/Error: .*/.exec(printed)?.[0] ?? printed})`);
      return undefined;
    }
    return server;
  }

  async stop(): Promise<void> {
    const closed = once(this.child, 'close');
    // It ignores every other signal.
    this.child.kill('SIGKILL');
    await closed;
    await rm(this.directory, { recursive: true });
  }
}
