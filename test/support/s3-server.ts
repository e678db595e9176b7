import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { killed } from './child-process.js';
import { filesIn } from './disk.js';
import { freePort } from './redis-server.js';

const S3RVER = path.resolve('node_modules/s3rver/bin/s3rver.js');

/** How s3rver names the file of an object; those of its metadata lie beside it. */
const OBJECT = '._S3rver_object';

/** For processes that a test starts; the tests' own environment has them from `npm test`. */
export const S3_CREDENTIALS = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };

/** A server that speaks S3, of one test file, with one bucket. What it acknowledged is there again after `restart`. */
export class S3Server {
  private child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly directory: string,
  ) {}

  static async start(): Promise<S3Server> {
    const server = new S3Server(await freePort(), await mkdtemp(path.join(tmpdir(), 'morag-s3-')));
    await server.restart();
    return server;
  }

  /** For BLOB_STORE. */
  address(prefix = 'morag'): string {
    return `s3://files/${prefix}?endpoint=http://127.0.0.1:${this.port}`;
  }

  async restart(): Promise<void> {
    const settings = ['--directory', this.directory, '--address', '127.0.0.1', '--port', String(this.port), '--configure-bucket', 'files', '--silent'];
    // It makes the tokens of its lists with DES, which OpenSSL has in its legacy provider only.
    this.child = spawn(process.execPath, ['--no-warnings', '--openssl-legacy-provider', S3RVER, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (printed += text));
    while (!printed.includes('listening')) {
      if (this.child.exitCode !== null) throw new Error(`s3rver ended: ${printed}`);
      await Promise.race([once(this.child.stdout!, 'data'), once(this.child, 'close')]);
    }
  }

  /** Every key below `morag/`, without that. */
  async keys(): Promise<string[]> {
    const objects = (await filesIn(path.join(this.directory, 'files/morag'))).filter((file) => file.endsWith(OBJECT));
    return objects.map((file) => file.slice(0, -OBJECT.length)).toSorted();
  }

  /** As if it had been put so long ago. */
  async age(key: string, hours: number): Promise<void> {
    const then = Date.now() / 1000 - hours * 3600;
    await utimes(path.join(this.directory, 'files/morag', `${key}${OBJECT}`), then, then);
  }

  /** It keeps its connections and answers nothing. */
  hang(): void {
    this.child!.kill('SIGSTOP');
  }

  resume(): void {
    this.child!.kill('SIGCONT');
  }

  kill(): Promise<void> {
    return killed(this.child!);
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}
