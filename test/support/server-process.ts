import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import path from 'node:path';
import { ApiClient } from './api-client.js';

const MAIN = path.resolve('dist/src/main.js');
/** Set by `npm test`. Some eighty of them are started in a run of all tests: compiled once, each is ready a fifth sooner. */
const COMPILED = process.env['NODE_COMPILE_CACHE'];

/** The built server as a process of its own, as an operator runs it. */
export class ServerProcess {
  private output = '';
  private complaints = '';
  /** Some while after it has ended: only then is everything here that it wrote. */
  private isClosed = false;
  private readonly news = new EventEmitter();

  private constructor(readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    child.stderr?.on('data', (text: string) => (this.complaints += text));
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', () => this.news.emit('more'));
    child.once('close', () => {
      this.isClosed = true;
      this.news.emit('more');
    });
  }

  /** Starts it, as the leader of a process group, with nothing in its environment but PATH, the compile cache and `env`, and does not wait. */
  static launch(env: Record<string, string>, args: string[] = [], script = MAIN): ServerProcess {
    return new ServerProcess(spawn(process.execPath, [script, ...args], { env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: COMPILED, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true }));
  }

  /** Starts it on a free port and waits until it says that it is ready. */
  static async start(env: Record<string, string>, script = MAIN): Promise<ServerProcess> {
    const server = ServerProcess.launch({ PORT: '0', ...env }, [], script);
    await server.says(/"msg":"ready"/);
    return server;
  }

  get printed(): string {
    return this.output;
  }

  /** What it wrote to standard error. */
  get complained(): string {
    return this.complaints;
  }

  get url(): string {
    return /"address":"([^"]+)"/.exec(this.output)?.[1] ?? '';
  }

  get client(): ApiClient {
    return new ApiClient(this.url);
  }

  /** Waits until the output matches; fails when the process ends first. */
  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.output)) {
      if (this.isClosed) throw new Error(`the server ended: ${this.output}`);
      await once(this.news, 'more');
    }
  }

  /** Signals it and answers its exit code once it has ended; null when the signal killed it. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.ended();
  }

  /** Waits for its end without a signal. */
  async ended(): Promise<number | null> {
    while (!this.isClosed) await once(this.news, 'more');
    return this.child.exitCode;
  }
}
