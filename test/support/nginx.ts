import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './redis-server.js';

const nginxIsMissing = spawnSync('nginx', ['-v']).status !== 0;
if (nginxIsMissing) console.warn('skipped: there is no nginx here');

/** For tests that need nginx: skipped, aloud, where it is not installed. */
export const describeWithNginx = nginxIsMissing ? describe.skip : describe;

function replaced(text: string, changes: readonly (readonly [RegExp, string])[]): string {
  return changes.reduce((before, [what, by]) => {
    if (!what.test(before)) throw new Error(`deploy/nginx.conf has nothing like ${what}`);
    return before.replace(what, by);
  }, text);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** nginx with the file that is shipped, but for its paths, its port, and the addresses of the servers behind it. */
export class Nginx {
  private constructor(
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly directory: string,
  ) {}

  static async before(upstreams: readonly string[]): Promise<Nginx> {
    const directory = await mkdtemp(path.join(tmpdir(), 'morag-nginx-'));
    const port = await freePort();
    const servers = upstreams.map((url) => `server ${new URL(url).host} max_fails=0;`).join(' ');
    const settings = replaced(await readFile('deploy/nginx.conf', 'utf8'), [
      [/worker_processes auto;/, 'worker_processes 1;'],
      [/resolver 127\.0\.0\.11 [^;]+;/, ''],
      [/server api:3000 resolve max_fails=0;/, servers],
      [/listen 8080;/, `listen 127.0.0.1:${port};`],
      [/\/tmp\//g, `${directory}/`],
    ]);
    await writeFile(path.join(directory, 'nginx.conf'), settings);
    const child = spawn('nginx', ['-c', path.join(directory, 'nginx.conf'), '-e', 'stderr', '-g', 'daemon off;'], { stdio: ['ignore', 'ignore', 'inherit'] });
    while (!(await isListening(port))) {
      if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
      await delay(20);
    }
    return new Nginx(`http://127.0.0.1:${port}`, child, directory);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'close');
    await rm(this.directory, { recursive: true, force: true });
  }
}
