import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { errorCode } from '../../src/common/error-code.js';
import { killed } from './child-process.js';

const redisIsMissing = spawnSync('redis-server', ['--version']).status !== 0;
if (redisIsMissing) console.warn('skipped: there is no redis-server here');

/** For tests that need a Redis: skipped, aloud, where none is installed. */
export const describeWithRedis = redisIsMissing ? describe.skip : describe;

/**
 * A port that is free, and stays it until somebody asks for this very one, also while its server is down: it lies below those that the kernel gives to
 * whoever asks for any (on Linux from 32768), which the other tests do all the time.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000);
    const server = createServer();
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening');
    } catch (error) {
      if (errorCode(error) === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** A real Redis of one test file, which remembers nothing once it has ended. */
export class RedisServer {
  private child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly directory: string,
  ) {}

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), await mkdtemp(path.join(tmpdir(), 'morag-redis-')));
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, empty, on the same port. */
  async restart(): Promise<void> {
    const settings = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory, '--save', '', '--appendonly', 'no'];
    this.child = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (printed += text));
    while (!printed.includes('Ready to accept connections')) {
      if (this.child.exitCode !== null) throw new Error(`redis-server ended: ${printed}`);
      await Promise.race([once(this.child.stdout!, 'data'), once(this.child, 'close')]);
    }
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

  /** A connection of the test's own, to look and to prepare. */
  async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.url);
    try {
      return await question(redis);
    } finally {
      redis.disconnect();
    }
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}
